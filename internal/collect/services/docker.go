package services

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// dockerSocket is where Docker answers.
const dockerSocket = "/run/docker.sock"

// patience is how long Docker may take to answer, and all processes together.
const patience = 2 * time.Second

// container is what is used of an element of GET /containers/json (Docker
// Engine API).
type container struct {
	ID    string   `json:"Id"`
	Names []string `json:"Names"`
	Ports []struct {
		PublicPort uint16 `json:"PublicPort"`
	} `json:"Ports"`
}

// dockerProxy is the process that Docker's userland proxy has for each
// published port, and Docker itself may hold the sockets too.
const (
	dockerProxy  = "docker-proxy"
	dockerDaemon = "dockerd"
)

// proxied are the ports of proxies, together for each address of a container.
// They tell of other namespaces than Docker's own and where it does not answer.
// Without them, netfilter takes what arrives, and no socket shows the port.
func proxied(proxies []process) []host.Claim {
	var claims []host.Claim
	for _, proxy := range proxies {
		number, _ := proxy.option("host-port")
		address, _ := proxy.option("container-ip")
		public, err := strconv.ParseUint(number, 10, 16)
		if err != nil || public == 0 {
			continue
		}
		who := "Docker container at " + address
		i := slices.IndexFunc(claims, func(c host.Claim) bool { return c.Who == who && c.By == proxy.by })
		if i < 0 {
			i = len(claims)
			claims = append(claims, host.Claim{
				Kind: host.PublishedPorts, Who: who, Ports: &port.Set{}, By: proxy.by,
				Evidence: claimed(proxy.by, fmt.Sprintf("%s (pid %d) passes on what arrives there", dockerProxy, proxy.PID)),
			})
		}
		claims[i].Ports.Add(uint16(public))
	}
	return claims
}

// askDocker asks Docker itself.
func askDocker(ctx context.Context, root string, gaps *host.Gaps) []host.Claim {
	socket := filepath.Join(root, dockerSocket)
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	containers, err := listContainers(ctx, socket)
	if err != nil {
		gaps.Missing(host.PartDocker, 0, err)
		return nil
	}
	return publishedBy(containers)
}

// publishedBy are the ports that containers publish.
func publishedBy(containers []container) []host.Claim {
	var claims []host.Claim
	for _, c := range containers {
		ports := &port.Set{}
		for _, p := range c.Ports {
			if p.PublicPort != 0 {
				ports.Add(p.PublicPort)
			}
		}
		if ports.Len() == 0 {
			continue
		}
		name := c.ID[:min(12, len(c.ID))]
		if len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		claims = append(claims, host.Claim{
			Kind: host.PublishedPorts, Who: "Docker container " + name, Ports: ports,
			Evidence: "Docker publishes it for the container",
		})
	}
	return claims
}

func listContainers(ctx context.Context, socket string) ([]container, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/containers/json", nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("docker answers %s", response.Status)
	}
	return parseContainers(response.Body)
}

// The bounds of Docker's answer, each more than a machine has: a container that publishes
// ports takes about 1 KiB there, and 8 KiB as a claim.
const (
	maxAnswer     = 16 << 20 // bytes
	maxPublishing = 1 << 12  // containers that publish ports
)

// parseContainers returns the containers that publish ports, of which it takes one at a time.
func parseContainers(body io.Reader) ([]container, error) {
	limited := &io.LimitedReader{R: body, N: maxAnswer + 1}
	containers, err := decodeContainers(json.NewDecoder(limited))
	switch {
	case limited.N <= 0:
		err = fmt.Errorf("longer than %d bytes", maxAnswer)
	case err == nil && len(containers) > maxPublishing:
		err = fmt.Errorf("over %d containers that publish ports", maxPublishing)
	}
	if err != nil {
		return nil, fmt.Errorf("read docker's answer: %w", err)
	}
	return containers, nil
}

// decodeContainers returns no more than one beyond [maxPublishing].
func decodeContainers(answer *json.Decoder) (containers []container, err error) {
	begin, err := answer.Token()
	if err != nil {
		return nil, err
	}
	if begin != json.Delim('[') {
		return nil, fmt.Errorf("it begins with %v, not with a list", begin)
	}
	for answer.More() {
		var c container
		if err := answer.Decode(&c); err != nil {
			return nil, err
		}
		if c.publishes() {
			containers = append(containers, c)
		}
		if len(containers) > maxPublishing {
			return containers, nil
		}
	}
	if _, err := answer.Token(); err != nil {
		return nil, err
	}
	if _, err := answer.Token(); !errors.Is(err, io.EOF) {
		return nil, cmp.Or(err, errors.New("something follows the list"))
	}
	return containers, nil
}

func (c container) publishes() bool {
	for _, p := range c.Ports {
		if p.PublicPort != 0 {
			return true
		}
	}
	return false
}
