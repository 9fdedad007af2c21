package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Three processes check as many guesses as one, however they are spread over them; with the
// shared counts away each checks as many.
func TestGuessesOfAllProcessesCountTogether(t *testing.T) {
	t.Parallel()
	shared, at := redistest.Start(t), time.Now()
	clock := func() time.Time { return at }
	var all [3]*BadKeys
	var joints [3]*limiter.Joint
	for i := range all {
		server, err := redis.New(shared.URL(0))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		joints[i] = limiter.StartJoint(server, limiter.JointOptions{Deadline: time.Minute, Now: clock, Local: limiter.Options{Now: clock, Keys: GuessesKept}})
		t.Cleanup(joints[i].Close)
		all[i] = NewBadKeys(joints[i])
	}
	wrong := func() (string, *translate.Error) {
		return "", &translate.Error{Code: translate.CodeUnauthorized, Message: "wrong"}
	}
	right := func() (string, *translate.Error) { return "token", nil }
	if token, err := all[0].Login("bob", "192.0.2.1", right); token == "" {
		t.Fatal(err)
	}
	if err := joints[0].Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A limit of the configuration may have the same name.
	subject := limiter.Subject{}
	subject.Under(limiter.NewRule("bad-logins", config.Limit{Requests: config.Rate{N: 1, Per: time.Hour}}), limiter.Address, "192.0.2.1")
	if _, err := joints[0].Admit(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for i := range 90 {
		name := fmt.Sprint("user ", i) // another one each time: the address counts
		if _, err := all[i%3].Login(name, "192.0.2.1", wrong); err.Code == translate.CodeUnauthorized {
			checked++
		}
	}
	if checked != badLoginsPerMinute {
		t.Errorf("%d guesses of one address were checked", checked)
	}
	checked = 0
	for i := range 90 {
		if _, err := all[i%3].Login("carol", fmt.Sprint("198.51.100.", i), wrong); err.Code == translate.CodeUnauthorized {
			checked++
		}
	}
	if checked != badNamesAtOnce {
		t.Errorf("%d guesses at one name were checked", checked)
	}
	refused := 0
	for i := range 90 {
		if err := all[i%3].Refuse(unknownKey(), "203.0.113.1"); err.Code == translate.CodeRateLimited {
			refused++
		}
	}
	if refused != 90-badKeysPerMinute {
		t.Errorf("%d of 90 wrong keys were refused as too many", refused)
	}
	shared.Kill()
	checked = 0
	for i := range 90 {
		if _, err := all[i%3].Login("dave", fmt.Sprint("2001:db8::", i), wrong); err.Code == translate.CodeUnauthorized {
			checked++
		}
	}
	if checked != 3*badNamesAtOnce {
		t.Errorf("without the server %d guesses were checked", checked)
	}
}
