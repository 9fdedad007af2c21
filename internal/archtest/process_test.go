package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// clocks are the functions of package time that look at the clock or wait.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestTranslateReadsNoClock(t *testing.T) {
	for _, p := range loadTyped(t) {
		if !fits("translate/...", p.Path) && p.Path != "internal/jsonx" {
			continue
		}
		eachUse(p, func(id *ast.Ident, name string) {
			for _, c := range clocks {
				if name == "time."+c {
					t.Errorf("%s uses %s", p.at(id.Pos()), name)
				}
			}
		})
	}
}

// processWide is what belongs to a whole process, and so to a program's main
// package alone.
var processWide = []string{
	"os.Exit", "os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.Setenv", "os.Chdir", "syscall.Getenv", "syscall.Exit", "log.Fatal", "log.Fatalf",
	"log.Fatalln", "flag.", "os/signal.", "runtime/debug.SetGCPercent", "runtime/debug.SetMemoryLimit", "runtime.GOMAXPROCS",
}

func TestOnlyCommandsTouchTheProcess(t *testing.T) {
	seen := false
	for _, p := range loadTyped(t) {
		command := p.Name == "main" && (fits("cmd/...", p.Path) || fits("benchmarks/...", p.Path))
		if p.support() {
			continue
		}
		eachUse(p, func(id *ast.Ident, name string) {
			for _, w := range processWide {
				if name != w && (!strings.HasSuffix(w, ".") || !strings.HasPrefix(name, w)) {
					continue
				}
				seen = true
				if !command {
					t.Errorf("%s uses %s, which only a command may", p.at(id.Pos()), name)
				}
			}
		})
	}
	if !seen {
		t.Error("not even cmd exits: the test sees nothing")
	}
}

// eachUse calls f for every use of a function, with its full name.
func eachUse(p *typed, f func(id *ast.Ident, name string)) {
	for id := range p.info.Uses {
		if name := p.called(id); name != "" {
			f(id, name)
		}
	}
}

func TestThereIsNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s:%d: init() runs behind everybody's back: use a table", s.path, s.line(f.Pos()))
			}
		}
	}
}
