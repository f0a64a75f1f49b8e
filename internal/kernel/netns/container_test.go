package netns

import (
	"os"
	"strings"
	"testing"
)

var hex64 = strings.Repeat("3f2a9c12ab34", 5) + "0123"

func TestContainerOf(t *testing.T) {
	tests := []struct {
		name   string
		cgroup string
		want   Container
	}{
		{"docker with systemd", "/system.slice/docker-" + hex64 + ".scope", Container{"docker", hex64}},
		{"docker with systemd, a group inside", "/system.slice/docker-" + hex64 + ".scope/init.scope", Container{"docker", hex64}},
		{"docker on its own", "/docker/" + hex64, Container{"docker", hex64}},
		{"docker in docker", "/docker/" + hex64 + "/docker/" + strings.Repeat("0", 64), Container{"docker", hex64}},
		{"docker by amazon ecs", "/ecs/task/docker/" + hex64, Container{"docker", hex64}},
		{"kubernetes, containerd", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1b.slice/cri-containerd-" + hex64 + ".scope",
			Container{"containerd", hex64}},
		{"kubernetes, containerd, not delegated", "/system.slice/containerd.service/kubepods-besteffort-pod1b.slice:cri-containerd:" + hex64,
			Container{"containerd", hex64}},
		{"nerdctl", "/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-" + hex64 + ".scope", Container{"containerd", hex64}},
		{"kubernetes, cri-o", "/kubepods.slice/kubepods-pod1b.slice/crio-" + hex64 + ".scope", Container{"cri-o", hex64}},
		{"kubernetes, docker", "/kubepods.slice/kubepods-pod1b.slice/docker-" + hex64 + ".scope", Container{"docker", hex64}},
		{"kubernetes without systemd", "/kubepods/burstable/pod6f1e-22/" + hex64, Container{"kubernetes", hex64}},
		{"kubernetes without systemd, guaranteed", "/kubepods/pod6f1e-22/" + hex64, Container{"kubernetes", hex64}},
		{"podman", "/machine.slice/libpod-" + hex64 + ".scope/container", Container{"podman", hex64}},
		{"podman, not root", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + hex64 + ".scope", Container{"podman", hex64}},
		{"podman without systemd", "/libpod_parent/libpod-" + hex64, Container{"podman", hex64}},
		{"podman's monitor is outside", "/machine.slice/libpod-conmon-" + hex64 + ".scope", Container{}},
		{"nspawn by machinectl", `/machine.slice/systemd-nspawn@web.service/payload`, Container{"systemd-nspawn", "web"}},
		{"nspawn by hand", `/machine.slice/machine-build\x2dbox.scope`, Container{"systemd-nspawn", "build-box"}},
		{"lxc", "/lxc.payload.web/system.slice", Container{"lxc", "web"}},
		{"lxc, version 1", "/lxc/web", Container{"lxc", "web"}},
		{"lxc's monitor is outside", "/lxc.monitor.web", Container{}},
		{"a service", "/system.slice/nginx.service", Container{}},
		{"a service called docker", "/system.slice/docker.service", Container{}},
		{"a short id", "/docker/3f2a9c12ab34", Container{}},
		{"the root", "/", Container{}},
		{"nothing", "", Container{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := containerOf(test.cgroup); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestContainerOfAnyHierarchy(t *testing.T) {
	m := newMachine(t)
	m.write("proc/80/cgroup", "3:cpu:/\n2:memory:/docker/"+hex64+"\n1:name=systemd:/user.slice\n")
	s, err := m.finder().newSurvey()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.container(80), (Container{"docker", hex64}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestContainerString(t *testing.T) {
	tests := []struct {
		container Container
		want      string
	}{
		{Container{"docker", hex64}, "docker 3f2a9c12ab34"},
		{Container{"systemd-nspawn", "a-machine-with-a-long-name"}, "systemd-nspawn a-machine-with-a-long-name"},
		{Container{}, ""},
	}
	for _, test := range tests {
		if got := test.container.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestUnitOf(t *testing.T) {
	for cgroup, want := range map[string]string{
		"/system.slice/nginx.service":                                           "nginx.service",
		"/system.slice/nginx.service/workers":                                   "nginx.service",
		"/system.slice/system-getty.slice/getty@tty1.service":                   "getty@tty1.service",
		"/user.slice/user-1000.slice/session-3.scope":                           "session-3.scope",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/proxy.service": "proxy.service",
		"/init.scope":   "init.scope",
		"/system.slice": "",
		"/":             "",
		"":              "",
	} {
		if got := unitOf(cgroup); got != want {
			t.Errorf("%q: %q, want %q", cgroup, got, want)
		}
	}
}

func TestUnitOfAProcess(t *testing.T) {
	if _, err := Unit(os.Getpid()); err != nil {
		t.Error(err)
	}
	if unit, err := Unit(1 << 23); err == nil { // above the highest pid_max (PID_MAX_LIMIT)
		t.Errorf("a process that is not there is in %q", unit)
	}
}
