package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// fleetSuites are the files of proxy/front whose tests run against three processes as well:
// conversations, limits, requests that are repeated, pairs of dialects.
var fleetSuites = []string{
	"begun_anew", "changed", "chatnio_events", "chatnio_letter", "chatnio_numbers", "chatnio_rest", "chatnio_socket", "chatnio_turns",
	"conversation", "iagent_frames", "kept", "keys", "lengths_of_talk", "passage", "responses", "responses_socket", "rest_calls", "rest_contract",
	"estimate", "ledger", "limits",
	"idempotency",
	"matrix", "vendors",
}

// oneProcess are the tests of these files that one process only can pass, and why. Besides
// them those skip themselves that run in a bubble of testing/synctest, whose time is not that of
// other processes.
var oneProcess = map[string]string{
	"TestACapturedExchangeOfASocketHasAllItsForms":                "captures are of one process",
	"TestAResponseThatThereIsNoRoomForIsAnsweredAndNotRemembered": "asks the process for the bytes that it holds",
	"TestAMessageThatIsTooLongEndsItsSocket":                      "asks the process for the bytes that it holds",
	"TestAnAnswerGoesOnWithoutItsSocketWhereItsChannelFinishes":   "asks the process for what runs",
	"TestClosingASocketCancelsItsAnswers":                         "asks the process for what runs",
	"TestMessagesOfASocketThatCannotWaitAreRefused":               "asks the process for what runs",
	"TestStreamsOfASocketAreAnsweredAtTheSameTimeEachInItsOrder":  "asks the process for its sockets",
	"TestTheHandshakeOfAResponsesSocketIsRefusedAsARequestIs":     "asks the process for its sockets",
	"TestTheLedgerEqualsWhatTheModelCounted":                      "asks the process for its ledger",
	"TestAChatnioSocketIsWorthWhatItsKeyIs":                       "makes a key inside the process; TestWhatOneReplicaIsToldHoldsOnAll makes it from outside",
	"TestWhatAReloadChangesOfACallerHoldsOnOpenSockets":           "each process has a configuration of its own",
	"TestAShutdownEndsTurnsBeforeItClosesSockets":                 "stops the process; TestARollingRestartOfThreeReplicasFailsNothing stops all",
	"TestAnAgentSocketIsRefusedBeforeTheUpgrade":                  "the balancer keeps the header Upgrade of a refusal to itself",
	"TestATokenHasAtMost64AgentSockets":                           "each process counts its own sockets",
	"TestThoughtsGoBackWithTheirCallsToWhoThoughtThem":            "each process learns of its channels by itself",
	"TestWhoWantsThoughtsBackAndWhoRefusesThemIsLearnt":           "each process learns of its channels by itself",
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// suiteTests are the tests of fleetSuites, but those of oneProcess.
func suiteTests(t *testing.T) (names []string) {
	t.Helper()
	apart := 0
	for _, file := range fleetSuites {
		text, err := os.ReadFile(filepath.Join("..", "..", "proxy", "front", file+"_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
			if oneProcess[m[1]] != "" {
				apart++
				continue
			}
			names = append(names, m[1])
		}
	}
	if apart != len(oneProcess) {
		t.Errorf("%d of the %d tests that are left out are there", apart, len(oneProcess))
	}
	return names
}

// The suites of one process pass against three processes. DRAGOMAN_TEST_FLEET_SUITES chooses
// among them, as go test -run does; without it only their names are looked at.
func TestTheSuitesOfOneProcessPassOverThreeReplicas(t *testing.T) {
	t.Parallel()
	names, chosen := suiteTests(t), os.Getenv("DRAGOMAN_TEST_FLEET_SUITES")
	if chosen == "" {
		t.Skip("make fleet runs it")
	}
	binary := filepath.Join(t.TempDir(), "dragoman")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runSuites(t, names, chosen, world.Program+"="+binary)
}

// runSuites runs those of the tests called names that chosen matches, in an environment.
func runSuites(t *testing.T, names []string, chosen string, environment ...string) {
	t.Helper()
	want, err := regexp.Compile(chosen)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !want.MatchString(name) })
	store := pgtest.Start(t, "max_connections=1000")
	shared := redistest.Start(t, "--databases", fmt.Sprint(fleettest.Databases))
	cmd := exec.Command("go", "test", "-json", "-count=1", "-timeout=20m", "-run", "^("+strings.Join(names, "|")+")$", "../../proxy/front")
	cmd.Env = append(append(os.Environ(), environment...), world.Store+"="+store.URL("postgres"), world.Shared+"="+shared.URL(0))
	out, err := cmd.CombinedOutput()
	n := tally(out)
	if err != nil || n.passed == 0 {
		t.Errorf("%v\n%s", err, n.said.String())
	}
	t.Logf("of %d tests %d passed over three processes, %d skipped themselves, %d of them since they run in a bubble; besides %d parts of tests passed and %d were skipped",
		len(names), n.passed, n.skipped, n.bubbles, n.parts, n.partsSkipped)
}

// tallied is what became of tests. Those that a bubble was too small for are skipped, though go
// test counts them as passed.
type tallied struct {
	passed, skipped, bubbles int
	parts, partsSkipped      int // tests within tests
	said                     strings.Builder
}

// tally reads the output of go test -json.
func tally(out []byte) *tallied {
	n, bubbles := &tallied{}, map[string]bool{}
	for line := range bytes.Lines(out) {
		var is struct{ Action, Test, Output string }
		if json.Unmarshal(line, &is) != nil {
			n.said.Write(line)
			continue
		}
		n.said.WriteString(is.Output)
		name, _, part := strings.Cut(is.Test, "/")
		if strings.Contains(is.Output, world.NoBubble) {
			bubbles[is.Test], bubbles[name] = true, bubbles[name] || !part
		}
		skipped := is.Action == "skip" || bubbles[is.Test]
		switch {
		case is.Test == "" || is.Action != "pass" && is.Action != "skip":
		case part && skipped:
			n.partsSkipped++
		case part:
			n.parts++
		case skipped:
			n.skipped++
			if bubbles[is.Test] {
				n.bubbles++
			}
		default:
			n.passed++
		}
	}
	return n
}

func TestATestThatSkipsItselfInABubbleIsNotCountedAsPassed(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	say := func(action, test, output string) {
		line, err := json.Marshal(map[string]string{"Action": action, "Test": test, "Output": output})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	say("pass", "TestA", "")
	say("output", "TestB", "    world.go:186: "+world.NoBubble+"\n")
	say("pass", "TestB", "")
	say("skip", "TestC", "")
	say("pass", "TestD/one", "")
	say("output", "TestD/two", world.NoBubble)
	say("pass", "TestD/two", "")
	say("pass", "TestD", "")
	say("fail", "TestE", "it failed\n")
	say("pass", "", "")
	out.WriteString("no JSON\n")
	n := tally([]byte(out.String()))
	if got := fmt.Sprint(n.passed, n.skipped, n.bubbles, n.parts, n.partsSkipped); got != "2 2 1 1 1" {
		t.Error(got)
	}
	if said := n.said.String(); !strings.HasSuffix(said, "it failed\nno JSON\n") {
		t.Error(said)
	}
}
