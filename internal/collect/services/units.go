package services

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/rootfs"
)

// unitDirs is the system's unit search path, strongest first (systemd.unit(5)),
// without what generators make.
var unitDirs = []string{
	"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
}

// The kinds of units that are of interest.
const (
	service = ".service"
	socket  = ".socket"
)

// The bounds of socket units, for whose end nobody would wait: those of
// distributions have a handful of lines and addresses.
const (
	maxUnitLines = 10_000
	maxListens   = 1_000
	maxUnread    = 100 // units that could not be read are told one by one
)

// units are the service and socket units of a system: the path of each by name. Masked ones
// are not among them, and neither are aliases, as mysql.service is one of MariaDB.
type units struct {
	root *rootfs.Root
	path map[string]string
}

func readUnits(root *rootfs.Root, gaps *host.Gaps) units {
	u := units{root: root, path: map[string]string{}}
	for _, dir := range unitDirs {
		names, err := root.Names(dir)
		gaps.MissingObject(host.PartUnits, "units in "+dir, 0, err)
		for _, name := range names {
			isUnit := strings.HasSuffix(name, service) || strings.HasSuffix(name, socket)
			if _, known := u.path[name]; !known && isUnit {
				u.path[name] = path.Join(dir, name)
			}
		}
	}
	maps.DeleteFunc(u.path, func(name, file string) bool {
		target := root.Link(file)
		return target != "" && path.Base(target) != name
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
	installed := u.names(service)
	var claims []host.Claim
	for _, daemon := range catalogue {
		at := slices.IndexFunc(installed, func(name string) bool {
			name = strings.TrimSuffix(name, service)
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
		by := ownerOf(u.root.Stat(u.path[installed[at]]))
		claims = append(claims, host.Claim{
			Kind: host.ServicePort, Who: daemon.Name, Ports: ports, By: by,
			Evidence: claimed(by, fmt.Sprintf("%s is installed and not listening there now; %s is its default (%s)",
				installed[at], daemon.Ports, daemon.Source)),
		})
	}
	return claims
}

// sockets finds the ports of socket units.
func (u units) sockets(gaps *host.Gaps) (claims []host.Claim) {
	unread := 0
	for _, name := range u.names(socket) {
		listens, by, err := u.listens(name)
		if err != nil {
			gaps.MissingObject(host.PartUnits, "socket unit "+name, 0, err)
			if unread++; unread == maxUnread || errors.Is(err, rootfs.ErrSpent) {
				gaps.MissingObject(host.PartUnits, "socket units after "+name, 0, errors.New("not read either"))
				break
			}
			continue
		}
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
// (systemd.socket(5)). With them it tells whose word they are, as [ownerOf] does.
func (u units) listens(name string) (listens []string, by string, err error) {
	dropIns, err := u.dropIns(name)
	if err != nil {
		return nil, "", err
	}
	var files []rootfs.File
	for _, path := range append([]string{u.path[name]}, dropIns...) {
		f := u.root.Read(path)
		files = append(files, f)
		if errors.Is(f.Err, fs.ErrNotExist) || f.Mode.IsDir() {
			continue // a link to a unit that was removed
		}
		if f.Err != nil {
			return nil, "", fmt.Errorf("read %s: %w", path, f.Err)
		}
		if bytes.Count(f.Data, []byte("\n")) > maxUnitLines {
			return nil, "", fmt.Errorf("read %s: it has over %d lines", path, maxUnitLines)
		}
		options, err := unit.DeserializeOptions(bytes.NewReader(f.Data))
		if err != nil {
			return nil, "", err
		}
		for _, option := range options {
			if option.Section != "Socket" || option.Name != listenStream && option.Name != listenDatagram {
				continue
			}
			if option.Value == "" {
				listens = slices.DeleteFunc(listens, func(l string) bool { return strings.HasPrefix(l, option.Name+"=") })
				continue
			}
			if len(listens) == maxListens {
				return nil, "", fmt.Errorf("read %s: it has over %d addresses", path, maxListens)
			}
			listens = append(listens, option.Name+"="+option.Value)
		}
	}
	return listens, ownerOf(files...), nil
}

// dropIns are a unit's drop-ins in the order in which they apply: by name,
// where the strongest directory decides.
func (u units) dropIns(name string) ([]string, error) {
	byName := map[string]string{}
	for _, dir := range unitDirs {
		dir = path.Join(dir, name+".d")
		names, err := u.root.Names(dir)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", dir, err)
		}
		for _, name := range names {
			if _, known := byName[name]; !known && strings.HasSuffix(name, ".conf") {
				byName[name] = path.Join(dir, name)
			}
		}
	}
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		paths = append(paths, byName[name])
	}
	return paths, nil
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
