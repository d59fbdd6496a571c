// usage: render_chart CHART NAMESPACE RELEASE VALUES.yaml
//
// Renders a chart's templates with what Helm renders them with: Go's text/template and the functions of sprig. It is not
// Helm: dependencies, hooks, lookup and tpl are not there, a template that uses one fails; and the values are all there
// are, merged already with the chart's own. check_helm.py holds what it renders against Helm itself.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/ghodss/yaml"
)

func read(file string) map[string]interface{} {
	content, err := os.ReadFile(file)
	stopOn(err)
	values := map[string]interface{}{}
	stopOn(yaml.Unmarshal(content, &values))
	return values
}

func stopOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "render_chart:", err)
		os.Exit(1)
	}
}

// Chart.yaml begins its keys with small letters, templates ask for .Chart.AppVersion.
func titled(chart map[string]interface{}) map[string]interface{} {
	result := map[string]interface{}{}
	for key, value := range chart {
		result[strings.ToUpper(key[:1])+key[1:]] = value
	}
	return result
}

// The files of the chart, as .Files.Get has them: empty if there is none.
type files struct{ folder string }

func (f files) Get(name string) string {
	content, err := os.ReadFile(filepath.Join(f.folder, name))
	if err != nil {
		return ""
	}
	return string(content)
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: render_chart CHART NAMESPACE RELEASE VALUES.yaml")
		os.Exit(2)
	}
	folder, namespace, release := os.Args[1], os.Args[2], os.Args[3]
	data := map[string]interface{}{
		"Values":  read(os.Args[4]),
		"Chart":   titled(read(filepath.Join(folder, "Chart.yaml"))),
		"Files":   files{folder},
		"Release": map[string]interface{}{"Name": release, "Namespace": namespace, "Service": "Helm"},
	}

	all := template.New("").Option("missingkey=error")
	functions := sprig.TxtFuncMap()
	// Helm takes these away: a chart shall not see the machine that renders it.
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["fromYaml"] = func(text string) (map[string]interface{}, error) {
		value := map[string]interface{}{}
		return value, yaml.Unmarshal([]byte(text), &value)
	}
	functions["include"] = func(name string, value interface{}) (string, error) {
		var text bytes.Buffer
		err := all.ExecuteTemplate(&text, name, value)
		return text.String(), err
	}
	all.Funcs(functions)
	templates, err := filepath.Glob(filepath.Join(folder, "templates", "*"))
	stopOn(err)
	sort.Strings(templates)
	for _, file := range templates {
		content, err := os.ReadFile(file)
		stopOn(err)
		_, err = all.New(file).Parse(string(content))
		stopOn(err)
	}
	for _, file := range templates {
		if strings.HasPrefix(filepath.Base(file), "_") {
			continue
		}
		var text bytes.Buffer
		stopOn(all.ExecuteTemplate(&text, file, data))
		if strings.HasSuffix(file, ".yaml") {
			fmt.Printf("---\n# Source: %s\n%s\n", filepath.Base(file), text.String())
		} else {
			fmt.Fprint(os.Stderr, text.String()) // the notes
		}
	}
}
