# Run inside a mount namespace of its own: lays the layer on /opt and the function on /var/task, and becomes the given command.
# Arguments: a scratch folder, the layer's folder, the function's folder, the entries of /tmp to keep, then the command.
set -eu
scratch=$1 layer=$2 task=$3 keep=$4
shift 4

# Puts an empty folder in the place of $1 and brings its entries back ($2: their names, or ALL). An interpreter that lives
# under /opt therefore still works, and nothing is written to the real folder.
shadow() {
    exec 9<"$1"
    mount -t tmpfs tmpfs "$1"
    for entry in /proc/self/fd/9/* /proc/self/fd/9/.[!.]*; do
        name=${entry##*/}
        case " $2 " in *" $name "* | *" ALL "*) ;; *) continue ;; esac
        if [ -L "$entry" ]; then
            cp -P "$entry" "$1/$name"
        elif [ -d "$entry" ]; then
            mkdir "$1/$name"
            mount -c --rbind "$entry" "$1/$name"
        elif [ -f "$entry" ]; then
            : >"$1/$name"
            mount -c --bind "$entry" "$1/$name"
        fi
    done
    exec 9<&-
}

shadow /opt ALL
shadow /var ALL
shadow /tmp "$keep"
chmod 1777 /tmp
for part in "$layer"/*; do
    [ -e "$part" ] || continue
    mkdir -p "/opt/${part##*/}"
    mount --bind "$part" "/opt/${part##*/}"
done
mkdir -p /var/task
mount --bind "$task" /var/task
{ cat /etc/hosts; echo '127.0.0.1 sandbox.localdomain'; } >"$scratch/hosts"
mount --bind "$scratch/hosts" /etc/hosts
cd /var/task
exec "$@"
