package upstream

import (
	"context"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// fake starts the scripted model and returns its address.
func fake(t testing.TB, o mockmodel.Options) (*mockmodel.Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := mockmodel.New(o)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() {
		s.Close()
		wg.Wait()
	})
	return s, ln.Addr().String()
}

// base is where the scripted model at addr serves a kind; empty: nowhere.
func base(kind, addr string) string {
	for _, d := range mockmodel.Dialects {
		if d.Name == kind {
			return strings.ReplaceAll(d.Base, "ADDR", addr)
		}
	}
	return ""
}

// outside are the kinds whose channels are outside of this process.
func outside() (names []string) {
	for _, k := range config.Kinds {
		if k.Schemes != nil {
			names = append(names, k.Name)
		}
	}
	return names
}

func TestEveryKindTellsItsFaultsApart(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, mockmodel.Options{NoRecord: true})
	const broken = translate.FaultBroken
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				model string
				fault translate.Fault
				not   string // kinds that cannot say it, or say it in their own way
			}{
				{"echo", 0, ""},
				{"burst-30", 0, ""},
				{"unicode", 0, ""},
				{"double", 0, ""},
				{"fail-400", translate.FaultRejected, "chatnio iagent"},
				{"fail-401", translate.FaultDenied, "chatnio iagent"},
				{"fail-429", translate.FaultBusy, "chatnio"},
				{"fail-500", broken, "iagent"},
				{"drop", broken, ""},
				{"cut0", broken, ""},
				{"cut", broken, ""},
				{"garbagemid", broken, "iagent"},
				{"error200", broken, ""},
				{"errormid", broken, ""},
				{"noend", broken, "iagent"},
				{"blank", broken, "iagent"},
				{"echo", 0, ""},
			} {
				if strings.Contains(c.not, kind) {
					continue
				}
				// Each has a channel of its own, or a shared pool would hold off its dials.
				a, err := ask(t, open(t, kind, base(kind, addr)), question(c.model, true))
				if c.fault == 0 {
					if err != nil || a.Text() == "" || a.Finish == 0 {
						t.Errorf("%s: %+v, %v", c.model, a, err)
					}
					continue
				}
				if err == nil {
					t.Errorf("%s: no error, %+v", c.model, a)
					continue
				}
				if e := fault(t, err); e.Fault != c.fault {
					t.Errorf("%s: fault %s, want %s: %v", c.model, e.Fault, c.fault, err)
				}
			}
		})
	}
}

func TestEveryKindAnswersWholeToo(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, mockmodel.Options{NoRecord: true})
	for kind := range kinds {
		a, err := ask(t, open(t, kind, base(kind, addr)), question("echo", false))
		if err != nil || !strings.HasPrefix(a.Text(), `Hello, you said "hi"`) {
			t.Errorf("%s: %+v, %v", kind, a, err)
		}
	}
}

func TestEveryKindIsCancelledWithItsCauseWhereverItStands(t *testing.T) {
	t.Parallel()
	s, addr := fake(t, mockmodel.Options{NoRecord: true})
	cause := &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Timeout: true, Message: "too slow"}
	for kind := range kinds {
		up := open(t, kind, base(kind, addr))
		for _, model := range []string{"hang", "stall", "stallmid"} {
			ctx, cancel := context.WithCancelCause(within(t))
			before := s.Requests()
			var wg sync.WaitGroup
			wg.Go(func() {
				for kind != "mock" && s.Requests() == before && ctx.Err() == nil {
					runtime.Gosched()
				}
				cancel(cause)
			})
			st, err := up.Open(ctx, question(model, true))
			if err == nil {
				_, _, err = read(st)
			}
			wg.Wait()
			if err != error(cause) {
				t.Errorf("%s, %s: %v", kind, model, err)
			}
		}
	}
}

func TestAWrongKeyIsDenied(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, mockmodel.Options{NoRecord: true, Keys: []string{"sk-another"}})
	for kind := range kinds {
		if kind == "mock" {
			continue
		}
		_, err := ask(t, open(t, kind, base(kind, addr)), question("echo", true))
		if err == nil {
			t.Errorf("%s: no error", kind)
			continue
		}
		if e := fault(t, err); e.Fault != translate.FaultDenied || e.Code != translate.CodeUnavailable {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestNothingListeningIsADialFault(t *testing.T) {
	t.Parallel()
	p := listen(t, func(*link) {})
	p.end()
	for kind := range kinds {
		if kind == "mock" {
			continue
		}
		_, err := ask(t, open(t, kind, base(kind, p.Addr().String())), question("echo", true))
		wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
	}
}

func TestEveryKindThatConnectsSaysHowLongItTook(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, mockmodel.Options{NoRecord: true})
	for _, k := range config.Kinds {
		kind := k.Name
		if kind == "mock" {
			continue
		}
		var took time.Duration
		up, err := New(&config.Channel{ID: "c", Kind: kind, URL: base(kind, addr)}, "sk-key", Options{
			Dial: func(ctx context.Context, address string) (net.Conn, error) {
				began := time.Now()
				defer func() { took = time.Since(began) }()
				return new(net.Dialer).DialContext(ctx, "tcp", address)
			},
		})
		if err != nil {
			t.Fatal(kind, err)
		}
		s, err := up.Open(t.Context(), question("echo", true))
		if err != nil {
			t.Fatal(kind, err)
		}
		c, ok := s.(interface{ Connecting() time.Duration })
		if !ok || took == 0 || c.Connecting() < took {
			t.Errorf("%s: it took %v to dial, and it says so: %v", kind, took, ok)
		}
		_, _ = s.Close(), up.Close()
	}
}
