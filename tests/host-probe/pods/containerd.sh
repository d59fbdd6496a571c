#!/bin/bash
# usage: containerd.sh DIRECTORY SNAPSHOTTER
#
# Writes what a containerd of its own needs into DIRECTORY: config.toml, with
# all state below DIRECTORY and the socket at DIRECTORY/run/containerd/
# containerd.sock, and images.tar, two images that hold nothing but busybox:
# katameter.test/pause:1 and katameter.test/sleeper:2, also tagged :newest. Pods
# use the host's network; a runtime class "kata" is runc's shim under the name of
# Kata's, which is in DIRECTORY/bin: containerd looks for it in PATH.

set -euo pipefail
directory=$1 snapshotter=$2
run=$directory/run/containerd
mkdir -p "$run" "$directory/images" "$directory/bin"
ln -s "$(command -v containerd-shim-runc-v2)" "$directory/bin/containerd-shim-kata-v2"

cat >"$directory/config.toml" <<END
version = 2
root = "$directory/root"
state = "$run"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "katameter.test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "$directory/cni"
    bin_dir = "$directory/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$snapshotter"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
      runtime_type = "io.containerd.kata.v2"
END

# An OCI archive, as in github.com/opencontainers/image-spec: blobs under their
# digests, an index that names the images.
cd "$directory/images"
mkdir -p blobs/sha256 layer/bin
install -m 755 "$(command -v busybox)" layer/bin/busybox

blob() { # FILE: moves it in, prints its digest
    local digest
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    mv "$1" "blobs/sha256/$digest"
    echo "$digest"
}
size() { stat -c %s "blobs/sha256/$1"; }

tar -cf layer.tar --sort=name --owner=0 --group=0 --mtime=@0 -C layer .
layer=$(blob layer.tar)

manifests=()
image() { # COMMENT NAME...
    local config manifest name
    cat >config.json <<END
{"architecture": "$(dpkg --print-architecture)", "os": "linux", "comment": "$1",
 "config": {"Entrypoint": ["/bin/busybox", "sleep", "3600"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
END
    config=$(blob config.json)
    cat >manifest.json <<END
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": "sha256:$config", "size": $(size "$config")},
 "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
             "digest": "sha256:$layer", "size": $(size "$layer")}]}
END
    manifest=$(blob manifest.json)
    for name in "${@:2}"; do
        manifests+=("{\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\",
            \"digest\": \"sha256:$manifest\", \"size\": $(size "$manifest"),
            \"annotations\": {\"io.containerd.image.name\": \"$name\"}}")
    done
}
image pause katameter.test/pause:1
image sleeper katameter.test/sleeper:2 katameter.test/sleeper:newest

echo '{"imageLayoutVersion": "1.0.0"}' >oci-layout
(
    IFS=,
    echo "{\"schemaVersion\": 2, \"manifests\": [${manifests[*]}]}"
) >index.json
tar -cf "$directory/images.tar" oci-layout index.json blobs
rm -r "$directory/images"
