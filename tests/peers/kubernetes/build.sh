#!/bin/sh
# Builds Helm, kubectl, kube-apiserver and etcd from their public Go modules, for the tests of the chart:
#
#   tests/peers/kubernetes/build.sh        into .cache/peers/kubernetes; nothing is done when they are there
#
# Versions stand in go.mod: those of Kubernetes' own modules must all be the same, so that Helm and kubectl share what
# is compiled with the server. Needs Go 1.21 or newer, which fetches the newer one that go.mod names. Two of these at
# the same time wait for each other.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../../.." && pwd)/.cache/peers/kubernetes
mkdir -p "$target"
exec 9>"$target/lock"
flock 9

wanted=$(cat "$here/go.mod" "$here/go.sum" "$here/build.sh" | sha256sum)
if [ "$(cat "$target/built" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
command -v go >/dev/null || { echo 'Go is needed to build Helm and the Kubernetes API server' >&2; exit 1; }
rm -f "$target/built"
began=$(date +%s)
cd "$here"
# What releases are told by their own build scripts: which version they are, and are made for.
kubernetes=$(sed -n 's#^\tk8s.io/kubernetes v##p' go.mod)
minor=${kubernetes#1.}
versions="-X k8s.io/component-base/version.gitVersion=v$kubernetes
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%.*}
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=${minor%.*}"
# Helm first: most tests need only it.
for tool in helm:helm.sh/helm/v3/cmd/helm etcd:go.etcd.io/etcd/server/v3 kubectl:k8s.io/kubernetes/cmd/kubectl \
    kube-apiserver:k8s.io/kubernetes/cmd/kube-apiserver; do
    CGO_ENABLED=0 nice -n 19 go build -trimpath -ldflags="-s -w $(echo $versions)" -o "$target/${tool%%:*}" "${tool#*:}"
done
echo "$wanted" >"$target/built"
echo "built in $(($(date +%s) - began)) s: $(ls "$target" | xargs)"
