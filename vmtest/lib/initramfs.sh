# shellcheck shell=bash
# A busybox initramfs out of a directory.

initramfs_new() { # DIR [BUSYBOX]
    local busybox
    # The static one: the guest has no C library.
    busybox=${2:-$(command -v busybox)} || die "busybox is missing: run scripts/packages.sh vm"
    mkdir -p "$1"/{bin,dev,etc,proc,sys,run,tmp,root,modules}
    cp "$busybox" "$1/bin/busybox"
    ln -s busybox "$1/bin/sh"
}

initramfs_pack() { # DIR FILE
    # Level 1: packing takes longer than the guest's unpacking saves.
    (cd "$1" && find . -print0 | cpio --null --create --quiet --format=newc \
        --owner=0:0) | gzip -1 >"$2"
}

# Copies modules and what they depend on, in load order, as modules/NN-NAME.ko
# (uncompressed: whether busybox can unpack them depends on its build).
initramfs_modules() { # DIR KERNEL_DIR MODULE...
    local dir=$1 kernel=$2 version file number=10
    shift 2
    version=$(basename "$kernel"/lib/modules/*)
    # The Kata-like kernels have everything built in.
    [[ -s $kernel/lib/modules/$version/modules.dep ]] || return 0
    modprobe --show-depends --all -d "$kernel" -S "$version" -C /dev/null "$@" |
        awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
        while read -r file; do
            case $file in
            *.xz) xz -dc "$file" >"$dir/modules/$number-$(basename "$file" .xz)" ;;
            *) cp "$file" "$dir/modules/$number-${file##*/}" ;;
            esac
            number=$((number + 1))
        done
}
