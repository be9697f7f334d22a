# Removes every program that is neither PostgreSQL's own nor busybox, and puts busybox in their place.
set -eu
for program in /usr/bin/* /usr/sbin/* /usr/local/sbin/*; do
  case $program in
    */busybox) ;;
    *) /bin/busybox rm -rf "$program" ;;
  esac
done
# Before Debian 13 these may be folders of their own.
for folder in /bin /sbin; do
  [ -L "$folder" ] || for program in "$folder"/*; do
    case $program in */busybox) ;; *) /bin/busybox rm -rf "$program" ;; esac
  done
done
/bin/busybox --install -s /usr/bin
/bin/busybox rm /strip.sh
/bin/busybox ln -sf /bin/busybox /bin/sh
