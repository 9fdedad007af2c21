package archtest

import (
	"go/ast"
	"go/types"
	"slices"
	"testing"
)

// entries are the functions that run one of their arguments on a goroutine of
// its own, where a panic that is not recovered ends the process.
var entries = map[string]int{
	"(*sync.WaitGroup).Go": 0,
	"time.AfterFunc":       1,
	"context.AfterFunc":    1,
	"(*github.com/valyala/fasthttp.RequestCtx).Hijack":          0,
	"(*github.com/fasthttp/websocket.FastHTTPUpgrader).Upgrade": 1,
	"(*golang.org/x/sync/errgroup.Group).Go":                    0,
}

// unguarded are the goroutines that need no recover, by the function that starts
// them, and why.
var unguarded = map[string]string{
	"cmd/dragoman.(*serveCommand).Run":      "the accept loop: if it panics nothing is served any more, and the process has to end; requests are guarded one by one",
	"cmd/dragoman.startOperator":            "the accept loop of the operator's side: net/http guards each of its requests",
	"cmd/dragoman.untilInterrupt":           "cancels a context at a signal",
	"cmd/dragoman.(*chatSession).ask":       "cancels a context at a signal",
	"proxy/front.(*call).stream":            "does nothing, or copies what a buffer holds and starts a goroutine that is guarded",
	"cmd/dragoman.(*mockCommand).serve":     "closes the mock server at a signal, when the process ends anyway",
	"proxy/watchdog.(*Timer).Start":         "compares counters and cancels a context",
	"proxy/front.(*call).upgradeTo":         "session.resume guards the body of the session; what surrounds it sets limits, and waits",
	"proxy/upstream.(*call).start":          "closes a socket, nothing else",
	"proxy/upstream.websocketAt":            "closes a socket, nothing else",
	"proxy/upstream.(*socketUpstream).Open": "closes a socket, nothing else",
	"store/embedded.openSQLite":             "each batch is guarded, since a failure has to be told to those who wait for it",
	"proxy/admission.(*Desk).Join":          "joint.turn guards each turn, so that a panic ends none of the others",
	"store/postgres.(*database).leasing":    "leases.guard guards each round, so that a panic ends none of them",
	"store/postgres.start":                  "the same",
}

func TestEveryGoroutineBeginsWithARecover(t *testing.T) {
	used := make(map[string]bool)
	started := 0
	pkgs := loadTyped(t)
	bodies := declared(pkgs)
	for _, p := range pkgs {
		if p.support() {
			continue
		}
		for _, d := range decls(p) {
			ast.Inspect(d, func(n ast.Node) bool {
				entry := entryOf(p, n)
				if entry == nil {
					return true
				}
				started++
				if guarded(p, bodies, entry, 4) {
					return true
				}
				name := declName(p, d)
				if unguarded[name] != "" {
					used[name] = true
					return true
				}
				t.Errorf("%s starts a goroutine at line %d that does not begin with a deferred recover", name, p.fset.Position(n.Pos()).Line)
				return true
			})
		}
	}
	if started < 10 {
		t.Errorf("only %d goroutines found: the test sees nothing", started)
	}
	for name := range unguarded {
		if !used[name] {
			t.Errorf("%s is on the list of exceptions and needs to be there no longer", name)
		}
	}
}

// entryOf returns what n starts a goroutine with, if it does.
func entryOf(p *typed, n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.GoStmt:
		return n.Call.Fun
	case *ast.CallExpr:
		if i, ok := entries[p.called(n.Fun)]; ok && i < len(n.Args) {
			return n.Args[i]
		}
	}
	return nil
}

// body is a function of the module.
type body struct {
	p     *typed
	block *ast.BlockStmt
}

func decls(p *typed) []ast.Decl {
	var list []ast.Decl
	for _, f := range p.files {
		list = append(list, f.Decls...)
	}
	return list
}

func declared(pkgs []*typed) map[string]body {
	m := make(map[string]body)
	for _, p := range pkgs {
		for _, d := range decls(p) {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				if obj, ok := p.info.Defs[f.Name].(*types.Func); ok {
					m[obj.FullName()] = body{p, f.Body}
				}
			}
		}
	}
	return m
}

// declName names a declaration as the table above does.
func declName(p *typed, d ast.Decl) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok {
		return p.Path + " (a variable)"
	}
	if f.Recv == nil {
		return p.Path + "." + f.Name.Name
	}
	return p.Path + ".(" + types.ExprString(f.Recv.List[0].Type) + ")." + f.Name.Name
}

// guarded reports whether the function e starts with a deferred recover, or does
// nothing but call one that does.
func guarded(p *typed, bodies map[string]body, e ast.Expr, depth int) bool {
	b, ok := bodyOf(p, bodies, e)
	if !ok || depth == 0 {
		return false
	}
	for i, s := range b.block.List {
		switch s := s.(type) {
		case *ast.DeferStmt:
			if recovers(b.p, bodies, s.Call.Fun) {
				return true
			}
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			return ok && i == len(b.block.List)-1 && guarded(b.p, bodies, call.Fun, depth-1)
		default:
			return false
		}
	}
	return false
}

func bodyOf(p *typed, bodies map[string]body, e ast.Expr) (body, bool) {
	if lit, ok := ast.Unparen(e).(*ast.FuncLit); ok {
		return body{p, lit.Body}, true
	}
	b, ok := bodies[p.called(e)]
	return b, ok
}

// recovers reports whether the deferred function e calls recover itself: called
// any deeper it has no effect.
func recovers(p *typed, bodies map[string]body, e ast.Expr) bool {
	b, ok := bodyOf(p, bodies, e)
	if !ok {
		return false
	}
	found := false
	ast.Inspect(b.block, func(n ast.Node) bool {
		if _, inner := n.(*ast.FuncLit); inner {
			return false
		}
		if call, ok := n.(*ast.CallExpr); ok {
			if id, ok := call.Fun.(*ast.Ident); ok {
				builtin, _ := b.p.info.Uses[id].(*types.Builtin)
				found = found || builtin != nil && builtin.Name() == "recover"
			}
		}
		return !found
	})
	return found
}

func TestTheGuardOfGoroutinesIsRecognised(t *testing.T) {
	pkgs := loadTyped(t)
	i := slices.IndexFunc(pkgs, func(p *typed) bool { return p.Path == "proxy/front" })
	p, bodies := pkgs[i], declared(pkgs)
	const session = "(*" + modulePath + "proxy/front.session)."
	for name, want := range map[string]bool{session + "sendPing": true, session + "read": false} {
		b, ok := bodies[name]
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		if got := guarded(p, bodies, &ast.FuncLit{Body: b.block}, 1); got != want {
			t.Errorf("%s: guarded is %v", name, got)
		}
	}
}
