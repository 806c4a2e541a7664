// Command oracle asks BuildKit's own packages what they make of the Dockerfiles and ignore files of a corpus, and
// writes their answers into the `# buildkit` sections of the files beside them. The rest of those files it keeps.
//
//	go run . ../corpus
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	madeBy          = "# made by `go run . ../corpus` in tests/oracle, BuildKit v0.34.2\n"
	buildkitHeading = "# buildkit\n"
	jettisonHeading = "# jettison\n"
)

func main() {
	answers := map[string]func([]byte) string{".dockerfile": answer, ".dockerignore": ignored}
	err := filepath.WalkDir(os.Args[1], func(path string, _ fs.DirEntry, err error) error {
		extension := filepath.Ext(path)
		ask := answers[extension]
		if err != nil || ask == nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return record(strings.TrimSuffix(path, extension)+".expected", ask(text))
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// record replaces what BuildKit says in one file of expectations.
func record(path, says string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, jettison, _ := strings.Cut(string(old), "\n"+jettisonHeading)
	return os.WriteFile(path, []byte(madeBy+buildkitHeading+says+jettisonHeading+jettison), 0o644)
}

// answer is what BuildKit says about a Dockerfile.
func answer(text []byte) string {
	var out strings.Builder
	result, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return problem("parse_error", err)
	}
	stages, metaArgs, err := instructions.Parse(result.AST, linter.New(&linter.Config{SkipAll: true, Warn: func(string, string, string, string, []parser.Range) {}}))
	if err != nil {
		return problem("instr_error", err)
	}
	fmt.Fprintf(&out, "escape %s\n", quote(string(result.EscapeToken)))
	for _, node := range result.AST.Children {
		fmt.Fprintf(&out, "%d-%d %s\n", node.StartLine, node.EndLine, node.Dump())
		for _, h := range node.Heredocs {
			fmt.Fprintf(&out, "  heredoc name=%s fd=%d expand=%t chomp=%t content=%s\n",
				quote(h.Name), h.FileDescriptor, h.Expand, h.Chomp, quote(h.Content))
		}
	}
	for _, arg := range metaArgs {
		for _, pair := range arg.Args {
			if pair.Value == nil {
				fmt.Fprintf(&out, "global arg %s\n", quote(pair.Key))
			} else {
				fmt.Fprintf(&out, "global arg %s=%s\n", quote(pair.Key), quote(*pair.Value))
			}
		}
	}
	for index, stage := range stages {
		fmt.Fprintf(&out, "stage %d name=%s base=%s platform=%s doc=%s\n",
			index, quote(stage.Name), quote(stage.BaseName), quote(stage.Platform), quote(stage.DocComment))
		for _, command := range stage.Commands {
			fmt.Fprintf(&out, "  %s\n", typed(command))
		}
	}
	for _, warning := range result.Warnings {
		fmt.Fprintf(&out, "warning %s\n", quote(warning.Short))
	}
	expansions(&out, result.EscapeToken, stages)
	out.WriteString(build(text))
	return out.String()
}

// typed is a command and what the instruction parser has found out about it.
func typed(command instructions.Command) string {
	name := strings.ToLower(command.Name())
	switch c := command.(type) {
	case *instructions.RunCommand:
		return fmt.Sprintf("%s %s network=%s security=%s mounts=%d devices=%d", name, line(c.ShellDependantCmdLine),
			instructions.GetNetwork(c), instructions.GetSecurity(c), len(instructions.GetMounts(c)),
			len(instructions.GetDevices(c)))
	case *instructions.CmdCommand:
		return name + " " + line(c.ShellDependantCmdLine)
	case *instructions.EntrypointCommand:
		return name + " " + line(c.ShellDependantCmdLine)
	case *instructions.CopyCommand:
		return fmt.Sprintf("%s%s from=%s chown=%s chmod=%s link=%t parents=%t exclude=%s", name, paths(c.SourcesAndDest),
			quote(c.From), quote(c.Chown), quote(c.Chmod), c.Link, c.Parents, list(c.ExcludePatterns))
	case *instructions.AddCommand:
		return fmt.Sprintf("%s%s chown=%s chmod=%s link=%t checksum=%s keep-git-dir=%s unpack=%s exclude=%s", name,
			paths(c.SourcesAndDest), quote(c.Chown), quote(c.Chmod), c.Link, quote(c.Checksum), maybe(c.KeepGitDir),
			maybe(c.Unpack), list(c.ExcludePatterns))
	case *instructions.HealthCheckCommand:
		h := c.Health
		return fmt.Sprintf("%s %s interval=%d timeout=%d start-period=%d start-interval=%d retries=%d", name, list(h.Test),
			h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries)
	case *instructions.OnbuildCommand:
		return name + " " + quote(c.Expression)
	case *instructions.ExposeCommand:
		return name + " " + list(c.Ports)
	case *instructions.VolumeCommand:
		return name + " " + list(c.Volumes)
	case *instructions.ShellCommand:
		return name + " " + list(c.Shell)
	default:
		return name
	}
}

func line(c instructions.ShellDependantCmdLine) string {
	form := "exec"
	if c.PrependShell {
		form = "shell"
	}
	out := form + " " + list(c.CmdLine)
	for _, file := range c.Files {
		out += fmt.Sprintf(" file %s chomp=%t %s", quote(file.Name), file.Chomp, quote(file.Data))
	}
	return out
}

func paths(c instructions.SourcesAndDest) string {
	out := " " + list(c.SourcePaths)
	for _, source := range c.SourceContents {
		out += fmt.Sprintf(" content %s expand=%t %s", quote(source.Path), source.Expand, quote(source.Data))
	}
	return out + " to " + quote(c.DestPath)
}

func maybe(flag *bool) string {
	if flag == nil {
		return "unset"
	}
	return strconv.FormatBool(*flag)
}

// environment is what the values of ENV are expanded with, one by one.
type environment map[string]string

func (e environment) Get(name string) (string, bool) { value, ok := e[name]; return value, ok }
func (e environment) Keys() []string                 { return nil }

var known = environment{
	"ONE": "1", "EMPTY": "", "FILE": "archive.tar.gz", "DIR": "/usr/local/lib", "STARS": "a*b?c", "TWO": "a b",
	"LINES": "one\ntwo", "BACK": `C:\a\b`, "größe": "8",
}

// expansions says what becomes of the values of ENV.
func expansions(out *strings.Builder, escapeToken rune, stages []instructions.Stage) {
	lex := shell.NewLex(escapeToken)
	for _, stage := range stages {
		for _, command := range stage.Commands {
			env, ok := command.(*instructions.EnvCommand)
			if !ok {
				continue
			}
			for _, pair := range env.Env {
				answer, err := lex.ProcessWordWithMatches(pair.Value, known)
				if err != nil {
					message := strings.TrimPrefix(err.Error(), fmt.Sprintf("failed to process %q: ", pair.Value))
					fmt.Fprintf(out, "expand %s fails: %s\n", quote(pair.Value), message)
					continue
				}
				fmt.Fprintf(out, "expand %s %s words=%s set=%s unset=%s\n", quote(pair.Value), quote(answer.Result),
					list(answer.Words), keys(answer.Matched), keys(answer.Unmatched))
			}
		}
	}
}

// tree is what the ignore files are asked about; a directory comes before what is in it.
var tree = []string{
	"!x", "$y", "(x)", "*", "README.md", "^z", "a", "a+b", "a.b", "aab", "axb", "b", "docs", "docs/a", "docs/a/b",
	"docs/a/b/c", "docs/x", "docs/x/b", "node_modules", "node_modules/m", "s.log", "src", "src/a", "src/b", "src/x",
	"src/x/b", "src/x/y.md", "srcamd", "target", "target/o", "za", "É",
}

// ignored is what becomes of the files of a tree that an ignore file is applied to.
func ignored(text []byte) string {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return problem("read_error", err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return problem("pattern_error", err)
	}
	var out strings.Builder
	for _, pattern := range matcher.Patterns() {
		if !pattern.Exclusion() {
			fmt.Fprintf(&out, "pattern %s\n", quote(pattern.String()))
		}
	}
	fmt.Fprintf(&out, "exceptions %t\n", matcher.Exclusions())
	seen := map[string]patternmatcher.MatchInfo{}
	for _, path := range tree {
		walked, info, err := matcher.MatchesUsingParentResults(path, seen[filepath.Dir(path)])
		if err != nil {
			return problem("match_error", err)
		}
		seen[path] = info
		alone, err := matcher.MatchesOrParentMatches(path)
		if err != nil {
			return problem("match_error", err)
		}
		fmt.Fprintf(&out, "%s walked=%s alone=%s\n", path, judgement(walked), judgement(alone))
	}
	return out.String()
}

func judgement(ignored bool) string {
	if ignored {
		return "ignored"
	}
	return "kept"
}

// build says what the last stage sets in the image's configuration, or why a build would refuse what could be parsed.
func build(text []byte) string {
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	options := dockerfile2llb.ConvertOpt{TargetPlatform: &platform, MetaResolver: noImages{}, SourceMap: sourceMap(text)}
	capabilities := pb.Caps.CapSet(pb.Caps.All())
	options.LLBCaps = &capabilities
	options.BuildPlatforms = []ocispecs.Platform{platform}
	options.Warn = func(string, string, string, string, []parser.Range) {}
	options.LinterConfig = &linter.Config{SkipAll: true}
	result, err := dockerfile2llb.Dockerfile2LLB(context.Background(), text, options)
	if err != nil {
		return problem("convert_error", err)
	}
	config := result.Image.Config
	return fmt.Sprintf("end env=%s dir=%s user=%s shell=%s\n", list(config.Env), quote(config.WorkingDir),
		quote(config.User), list(config.Shell))
}

func sourceMap(text []byte) *llb.SourceMap {
	sources := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text)
	sources.Definition = &llb.Definition{}
	return sources
}

// noImages knows every image, and all of them are empty.
type noImages struct{}

func (noImages) ResolveSourceMetadata(context.Context, *pb.SourceOp, sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	return nil, errors.New("there are no sources here")
}

func (noImages) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := `{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":[]}}`
	return ref, digest.FromString(config), []byte(config), nil
}

var (
	onLine = regexp.MustCompile(`^dockerfile parse error on line (\d+): `)
	// The numbers in these errors say how far the file was read, and are no places.
	countsLines = regexp.MustCompile(`^file with no instr|^invalid escape token|^dockerfile line greater|parser directive can be used$`)
	suggestion  = regexp.MustCompile(` \(did you mean ([^)]*)\?\)$`)
)

// problem writes an error on one line, and the suggestion in it, if any, on another.
func problem(label string, err error) string {
	message := err.Error()
	place := ""
	if match := onLine.FindStringSubmatch(message); match != nil {
		place = " line " + match[1]
		message = message[len(match[0]):]
	} else if located := new(parser.LocationError); errors.As(err, &located) && len(located.Locations) > 0 {
		place = fmt.Sprintf(" line %d", located.Locations[0][0].Start.Line)
	}
	if countsLines.MatchString(message) {
		place = ""
	}
	hint := ""
	if match := suggestion.FindStringSubmatch(message); match != nil {
		hint = fmt.Sprintf("did you mean %s?\n", match[1])
		message = strings.TrimSuffix(message, match[0])
	}
	return fmt.Sprintf("%s%s: %s\n%s", label, place, escape(message), hint)
}

func keys(set map[string]struct{}) string {
	names := []string{}
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return list(names)
}

func list(items []string) string {
	quoted := []string{}
	for _, item := range items {
		quoted = append(quoted, quote(item))
	}
	return "[" + strings.Join(quoted, " ") + "]"
}

func quote(text string) string {
	return `"` + strings.ReplaceAll(escape(text), `"`, `\"`) + `"`
}

// escape makes a text fit on one line.
func escape(text string) string {
	var out strings.Builder
	for _, character := range text {
		switch {
		case character == '\\':
			out.WriteString(`\\`)
		case character == '\n':
			out.WriteString(`\n`)
		case character == '\r':
			out.WriteString(`\r`)
		case character == '\t':
			out.WriteString(`\t`)
		case character < ' ' || character == 0x7f || character == 0xfeff || character == 0xa0:
			fmt.Fprintf(&out, `\u{%x}`, character)
		default:
			out.WriteRune(character)
		}
	}
	return out.String()
}
