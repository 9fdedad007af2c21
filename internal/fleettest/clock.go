package fleettest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clockOff is by how many seconds the clock of a program is off that [BuildOff] has built.
const clockOff = "DRAGOMAN_TEST_CLOCK"

// shifted is the end of a package time whose Now is off by clockOff, its monotonic part excepted.
const shifted = `
var testOff = func() int64 {
	s, _ := syscall.Getenv("` + clockOff + `")
	n, sign := int64(0), int64(1)
	for _, c := range s {
		if c == '-' {
			sign = -1
			continue
		}
		n = 10*n + int64(c-'0')
	}
	return sign * n
}()

func testNow() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = runtimeNow()
	return sec + testOff, nsec, mono
}
`

// BuildOff builds the program in the folder from with a wall clock that is off as the
// environment of the process says, and returns its path. The program itself has no such
// setting: the build takes another package time. The first build takes minutes.
func BuildOff(t testing.TB, from string) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	of := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(of)
	if err != nil {
		t.Fatal(err)
	}
	const asks = "sec, nsec, mono := runtimeNow()"
	s := string(text)
	head := strings.Index(s, "func Now() Time {\n\t"+asks)
	if head < 0 || !strings.Contains(s, "import (\n") {
		t.Skip("the package time of this Go is another one")
	}
	s = s[:head] + strings.Replace(s[head:], asks, "sec, nsec, mono := testNow()", 1) + shifted
	s = strings.Replace(s, "import (\n", "import (\n\t\"syscall\"\n", 1)
	dir := t.TempDir()
	other, table, binary := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "dragoman")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {of: other}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{other: []byte(s), table: overlay} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-overlay", table, "-o", binary, from).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
