package netns

import (
	"strings"
	"testing"
)

// FuzzContainerOf: an id is a part of the control group's name and of no more than one
// component; a group inside a container's group is of the same container, unless a
// container within has a name of its own.
func FuzzContainerOf(f *testing.F) {
	id := strings.Repeat("0123456789abcdef", 4)
	for _, name := range []string{
		"/system.slice/docker-" + id + ".scope", "/docker/" + id, "/docker/" + id + "/init.scope",
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" + id + ".scope",
		"/system.slice/containerd.service/kubepods-besteffort-pod2.slice:cri-containerd:" + id,
		"/kubepods/burstable/pod3/" + id, "/crio-" + id + ".scope", "/machine.slice/libpod-" + id + ".scope",
		`/machine.slice/machine-a\x2db.scope`, "/machine.slice/systemd-nspawn@debian.service", "/lxc/web",
		"/lxc.payload.web/x",
		"/docker/" + id[1:], "/user.slice/user-0.slice", "/", "", "/lxc//x", "/machine.slice/machine-a/b.scope",
		"/machine.slice/machine-.scope",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, cgroup string) {
		got := containerOf(cgroup)
		if (got.Runtime == "") != (got.ID == "") {
			t.Fatalf("%q is %+v", cgroup, got)
		}
		if got.ID == "" {
			return
		}
		if !strings.Contains(strings.ReplaceAll(cgroup, `\x2d`, "-"), got.ID) {
			t.Errorf("%q has no container %q", cgroup, got.ID)
		}
		if strings.Contains(got.ID, "/") {
			t.Errorf("the container of %q is %q, which is several groups", cgroup, got.ID)
		}
		if inner := containerOf(strings.TrimSuffix(cgroup, "/") + "/init.scope"); inner != got {
			t.Errorf("%q is in %+v, and a group inside it in %+v", cgroup, got, inner)
		}
	})
}
