# bash completion for @PROGRAM@

_@FUNCTION@() {
    local cur words cword out directive line begun IFS=$' \t\n'
    COMPREPLY=()
    # Of bash-completion: it puts together what bash parts at `=` and `:`.
    if declare -F _get_comp_words_by_ref > /dev/null; then
        _get_comp_words_by_ref -n =: cur words cword
    else
        cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    fi
    out=$("${words[0]/#\~/$HOME}" __completeNoDesc "${words[@]:1:cword}" 2> /dev/null) || return 0
    directive=${out##*:}
    [[ $directive =~ ^[0-9]+$ ]] || return 0
    # Of `--option=value` the value alone is completed.
    [[ $cur == --*=* ]] && cur=${cur#*=}
    while IFS= read -r line; do
        [[ -n $line && $line == "$cur"* ]] && COMPREPLY+=("$line")
    done <<< "${out%:*}"
    # Bash puts in what stands behind the last letter that it parts words at.
    begun=${cur%"${cur##*[=:]}"}
    [[ -n $begun && $COMP_WORDBREAKS == *[=:]* ]] && COMPREPLY=("${COMPREPLY[@]#"$begun"}")
    if ((directive & 2)); then compopt -o nospace; fi
    if ((directive & 32)); then compopt -o nosort 2> /dev/null; fi
    if ((directive & 16)); then
        compopt -o filenames -o plusdirs
    elif ! ((directive & 4)); then
        compopt -o filenames -o default
    fi
}

complete -F _@FUNCTION@ @PROGRAM@
