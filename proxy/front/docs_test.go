package front_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

var errorRow = regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `([A-Z_]+)` \\|")

func TestTheTablesOfErrorsInTheWireDocumentsAreTheCatalogue(t *testing.T) {
	t.Parallel()
	all := map[string]bool{}
	for _, name := range []string{"rest", "iagent"} {
		text, err := os.ReadFile("../../docs/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		rows := errorRow.FindAllStringSubmatch(string(text), -1)
		if len(rows) < 7 {
			t.Errorf("%s: only %d rows", name, len(rows))
		}
		for _, row := range rows {
			e := translate.Error{Code: translate.Code(row[2]), Timeout: row[1] == "504"}
			if !e.Code.Known() || strconv.Itoa(e.Status()) != row[1] {
				t.Errorf("%s says %s %s, and it is %d", name, row[1], row[2], e.Status())
			}
			all[row[2]] = true
		}
	}
	for _, code := range strings.Fields("VALIDATION_ERROR UNAUTHORIZED INVALID_TOKEN TOKEN_EXPIRED PERMISSION_DENIED CONVERSATION_NOT_FOUND PRESET_NOT_FOUND NOT_FOUND METHOD_NOT_ALLOWED REQUEST_IN_PROGRESS PAYLOAD_TOO_LARGE UNSUPPORTED_MEDIA_TYPE IDEMPOTENCY_KEY_REUSED RATE_LIMITED INTERNAL_ERROR MODEL_ERROR CHANNEL_UNAVAILABLE UPGRADE_REQUIRED") {
		if !all[code] {
			t.Errorf("%s is in none of them", code)
		}
	}
}

var codeInDocs = regexp.MustCompile("`([A-Z][A-Z_]+)`")

func TestTheRulesOfFaultsHaveTheWholeCatalogue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/rules/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(string(text), "\n## 1 ")
	rows, _, _ = strings.Cut(rows, "\n## ")
	told := map[translate.Code]bool{}
	for line := range strings.Lines(rows) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			continue
		}
		for _, m := range codeInDocs.FindAllStringSubmatch(cells[1], -1) {
			code := translate.Code(m[1])
			told[code] = true
			if status := strconv.Itoa(code.Status()); !code.Known() || !strings.HasPrefix(strings.TrimSpace(cells[2]), status) {
				t.Errorf("%s is told with %s, and it is %s", code, cells[2], status)
			}
		}
	}
	for _, code := range []translate.Code{translate.CodeValidation, translate.CodeUnauthorized, translate.CodeInvalidToken, translate.CodeTokenExpired, translate.CodePermission,
		translate.CodeConversation, translate.CodePreset, translate.CodeNotFound, translate.CodeModelNotFound, translate.CodeMethod, translate.CodeInProgress,
		translate.CodeTooLarge, translate.CodeMediaType, translate.CodeKeyReused, translate.CodeRateLimited, translate.CodeInternal, translate.CodeModel,
		translate.CodeUnavailable, translate.CodeUpgradeRequired} {
		if !told[code] {
			t.Errorf("%s is not told", code)
		}
	}
}
