package services

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"portrange/internal/host"
	"portrange/internal/port"
)

// unitDirs is the system's unit search path, strongest first (systemd.unit(5)),
// without what generators make.
var unitDirs = []string{
	"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
}

// units are the unit files of a system: the path of each by name. Masked ones
// are not among them, and neither are aliases, as mysql.service is one of MariaDB.
type units struct {
	root string
	path map[string]string
}

func readUnits(root string, gaps *host.Gaps) units {
	u := units{root: root, path: map[string]string{}}
	for _, dir := range unitDirs {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if !errors.Is(err, fs.ErrNotExist) {
			gaps.MissingObject(host.PartUnits, "units in "+dir, 0, err)
		}
		for _, entry := range entries {
			if _, known := u.path[entry.Name()]; !known && !entry.IsDir() {
				u.path[entry.Name()] = filepath.Join(root, dir, entry.Name())
			}
		}
	}
	maps.DeleteFunc(u.path, func(name, path string) bool {
		target, err := os.Readlink(path)
		return err == nil && filepath.Base(target) != name
	})
	return u
}

// names are the units of one kind, sorted.
func (u units) names(suffix string) []string {
	var names []string
	for name := range u.path {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// daemons claims their default ports for daemons that have a service here.
func (u units) daemons() []host.Claim {
	services := u.names(".service")
	var claims []host.Claim
	for _, daemon := range catalogue {
		at := slices.IndexFunc(services, func(service string) bool {
			name := strings.TrimSuffix(service, ".service")
			if template, _, instantiated := strings.Cut(name, "@"); instantiated {
				name = template + "@" // postgresql@15-main
			}
			return slices.Contains(daemon.Units, name)
		})
		if at < 0 {
			continue
		}
		ports, err := port.ParseSet(daemon.Ports)
		if err != nil {
			panic("daemon " + daemon.Name + ": " + err.Error()) // a test parses all of them
		}
		by := ownerOf(u.path[services[at]])
		claims = append(claims, host.Claim{
			Kind: host.ServicePort, Who: daemon.Name, Ports: ports, By: by,
			Evidence: claimed(by, fmt.Sprintf("%s is installed and not listening there now; %s is its default (%s)",
				services[at], daemon.Ports, daemon.Source)),
		})
	}
	return claims
}

// sockets finds the ports of socket units.
func (u units) sockets(gaps *host.Gaps) (claims []host.Claim) {
	for _, name := range u.names(".socket") {
		listens, err := u.listens(name)
		if err != nil {
			gaps.MissingObject(host.PartUnits, "socket unit "+name, 0, err)
			continue
		}
		by := ownerOf(append(u.dropIns(name), u.path[name])...)
		for _, proto := range []port.Proto{port.TCP, port.UDP} {
			if ports := listenPorts(listens, proto); ports.Len() > 0 {
				claims = append(claims, host.Claim{
					Kind: host.SocketUnit, Who: name, Ports: ports, Proto: proto, By: by,
					Evidence: claimed(by, "the socket unit is installed and not listening now; it says "+strings.Join(listens, ", ")),
				})
			}
		}
	}
	return claims
}

// The options of a socket unit that name ports.
const (
	listenStream   = "ListenStream"
	listenDatagram = "ListenDatagram"
)

// listens are the addresses of a socket unit, its drop-ins included, as
// ListenStream=8080. An empty assignment takes all former ones back
// (systemd.socket(5)).
func (u units) listens(name string) ([]string, error) {
	var listens []string
	for _, path := range append([]string{u.path[name]}, u.dropIns(name)...) {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a link to a unit that was removed
		}
		if err != nil {
			return nil, err
		}
		options, err := unit.DeserializeOptions(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		for _, option := range options {
			if option.Section != "Socket" || option.Name != listenStream && option.Name != listenDatagram {
				continue
			}
			if option.Value == "" {
				listens = slices.DeleteFunc(listens, func(l string) bool { return strings.HasPrefix(l, option.Name+"=") })
				continue
			}
			listens = append(listens, option.Name+"="+option.Value)
		}
	}
	return listens, nil
}

// dropIns are a unit's drop-ins in the order in which they apply: by name,
// where the strongest directory decides.
func (u units) dropIns(name string) []string {
	byName := map[string]string{}
	for _, dir := range unitDirs {
		found, _ := filepath.Glob(filepath.Join(u.root, dir, name+".d", "*.conf")) // the error is for bad patterns
		for _, path := range found {
			if _, known := byName[filepath.Base(path)]; !known {
				byName[filepath.Base(path)] = path
			}
		}
	}
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		paths = append(paths, byName[name])
	}
	return paths
}

// listenPorts are the ports of one protocol among addresses of socket units,
// which may also be paths, abstract names or VSOCK addresses.
func listenPorts(listens []string, proto port.Proto) *port.Set {
	set := &port.Set{}
	for _, listen := range listens {
		option, address, _ := strings.Cut(listen, "=")
		if (option == listenDatagram) != (proto == port.UDP) {
			continue
		}
		if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") || strings.HasPrefix(address, "vsock:") {
			continue
		}
		address, _, _ = strings.Cut(address, "%") // [fe80::1]:80%eth0
		number := address[strings.LastIndexByte(address, ':')+1:]
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 {
			set.Add(uint16(n))
		}
	}
	return set
}
