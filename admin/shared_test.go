package admin

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/limiter"
)

func TestHealthAndMetricsTellHowTheSharedLimitsStand(t *testing.T) {
	d := newDesk(t)
	stats := limiter.JointStats{Up: true, Lost: 2, Alone: 30, Missed: 4, Queued: 5}
	s := New(Options{Gateway: d.g, Token: operatorToken, Listen: "127.0.0.1:8081", Log: slog.New(slog.DiscardHandler), Shared: func() limiter.JointStats { return stats }})
	get := func(s *Server, path string) string {
		r := httptest.NewRequest("GET", "http://"+d.Host+path, nil)
		r.Header.Set("Authorization", "Bearer "+operatorToken)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
		return w.Body.String()
	}
	check := func(word, up string) {
		if text := get(s, "/api/health"); !strings.Contains(text, `"shared":"`+word+`"`) {
			t.Errorf("health is %s", text)
		}
		text := get(s, "/metrics")
		for _, line := range []string{"dragoman_shared_up " + up, "dragoman_shared_queued 5", "dragoman_shared_lost_total 2", "dragoman_shared_alone_total 30", "dragoman_shared_missed_total 4"} {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("there is no %q in the metrics", line)
			}
		}
	}
	check("ok", "1")
	stats.Up = false
	check("alone", "0")
	if text := get(d.s, "/api/health") + get(d.s, "/metrics"); strings.Contains(text, "shared") {
		t.Errorf("without shared limits there is word of them:\n%s", text)
	}
}
