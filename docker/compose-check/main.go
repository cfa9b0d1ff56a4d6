// Command compose-check proves that docker/compose.yaml is a file Docker Compose accepts: it loads the file the
// way Compose does (schema, interpolation, anchors, references between services), strictly, without an engine.
// It exits with 1 and the reason when it is not, and when a port is published beyond this machine.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	file := "../compose.yaml"
	if len(os.Args) > 1 {
		file = os.Args[1]
	}
	project, err := load(file)
	if err == nil {
		err = check(project)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, file+":", err)
		os.Exit(1)
	}
	names := project.ServiceNames()
	sort.Strings(names)
	fmt.Printf("%s: %d services (%s), %d volumes\n", file, len(names), strings.Join(names, " "), len(project.Volumes))
}

func load(file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithOsEnv)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func check(project *types.Project) error {
	for name, service := range project.Services {
		if service.Image == "" || strings.HasSuffix(service.Image, ":latest") || !strings.Contains(service.Image, ":") {
			return fmt.Errorf("service %s: the image %q is not pinned to a version", name, service.Image)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				return fmt.Errorf("service %s: port %s is published on %q, not on 127.0.0.1", name, port.Published, port.HostIP)
			}
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				if _, err := os.Stat(volume.Source); err != nil {
					return fmt.Errorf("service %s mounts a file that is not there: %w", name, err)
				}
			}
		}
	}
	return nil
}
