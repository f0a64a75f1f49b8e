package services

import (
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

// maxAnswer is far more than Docker says of all the containers that a machine can have.
const maxAnswer = 64 << 20

func parseContainers(body io.Reader) ([]container, error) {
	answer, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("longer than %d bytes", maxAnswer)
	}
	var containers []container
	if err == nil {
		err = json.Unmarshal(answer, &containers)
	}
	if err != nil {
		return nil, fmt.Errorf("read docker's answer: %w", err)
	}
	return containers, nil
}
