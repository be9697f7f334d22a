# fish completion for @PROGRAM@

function __@FUNCTION@_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l out ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    or return
    set -l directive (string replace : '' -- $out[-1])
    set -e out[-1]
    # Of `--option=value` the value alone comes; fish wants the whole word.
    set -l begun (string match -r -- '^--[^=]*=' "$current")
    for line in $out
        echo "$begun$line"
    end
    if test "$directive" = 16
        __fish_complete_directories "$current"
    else if test "$directive" = 0
        __fish_complete_path "$current"
    end
end

complete -c @PROGRAM@ -e
complete -c @PROGRAM@ -f -k -a '(__@FUNCTION@_complete)'
