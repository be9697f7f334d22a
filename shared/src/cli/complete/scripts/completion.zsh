#compdef @PROGRAM@
# zsh completion for @PROGRAM@

_@FUNCTION@() {
    local out directive line value help
    local -a lines candidates order options
    out=$("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2> /dev/null) || return 1
    directive=${out##*:}
    [[ $directive == <-> ]] || return 1
    lines=("${(@f)${out%:*}}")
    # Of `--option=value` the value alone is completed.
    [[ $PREFIX == --*=* ]] && compset -P '--*='
    for line in $lines; do
        [[ -n $line ]] || continue
        value=${line%%$'\t'*} help=${${line#$value}#$'\t'}
        candidates+=("${value//:/\\:}${help:+:$help}")
    done
    (( directive & 2 )) && options+=(-S '')
    (( directive & 32 )) && order+=(-V)
    if (( directive & 16 )); then
        _files -/
    elif (( ! (directive & 4) && ! $#candidates )); then
        _files
    else
        _describe $order candidates candidates "${options[@]}"
    fi
}

if [[ ${funcstack[1]} == _@FUNCTION@ ]]; then
    _@FUNCTION@ "$@"
else
    compdef _@FUNCTION@ @PROGRAM@
fi
