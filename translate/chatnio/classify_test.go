package chatnio

import (
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTextsOfErrorFramesAreWhoseFaultTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		fault translate.Fault
		retry time.Duration
		limit int64
	}{
		{"Rate limit reached for gpt-4o in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. (type: requests)", translate.FaultBusy, 20 * time.Second, 0},
		{"Rate limit reached for gpt-4o on tokens per min (TPM): Limit 3. Please try again in 1m2s. (type: tokens)", translate.FaultBusy, 62 * time.Second, 0},
		{"slow down (type: rate_limit_error)", translate.FaultBusy, 0, 0},
		{"Overloaded (type: overloaded_error)", translate.FaultBusy, 0, 0},
		{"request failed with status code: 429", translate.FaultBusy, 0, 0},
		{"You exceeded your current quota, please check your plan (type: insufficient_quota)", translate.FaultPurse, 0, 0},
		{"user quota is not enough error (model: m, minimum quota: 1.00, your quota: 0.00)", translate.FaultPurse, 0, 0},
		{"user quota is not enough error (model: m, minimum quota: 1.00, your quota: 0.50)", translate.FaultCost, 0, 0},
		{"estimated cost exceeds user quota (model: dear, estimated cost: 9000.00, your quota: 50.00)", translate.FaultCost, 0, 0},
		{"estimated cost exceeds user quota (model: dear, estimated cost: 9000.00, your quota: -1.00)", translate.FaultPurse, 0, 0},
		{"Incorrect API key provided: abcd****. (type: invalid_request_error)", translate.FaultDenied, 0, 0},
		{"request failed with status code: 401", translate.FaultDenied, 0, 0},
		{"the price of the model is not set (model: m)", translate.FaultNoModel, 0, 0},
		{"cannot find channel for model m", translate.FaultNoModel, 0, 0},
		{"cannot find channel for model m (CHANNEL_UNAVAILABLE: no channel; retry after 10s)", translate.FaultBroken, 0, 0},
		{"channels are exhausted for model m", translate.FaultBroken, 0, 0},
		{"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. (type: invalid_request_error)", translate.FaultRejected, 0, 8192},
		{"Invalid value for temperature (type: invalid_request_error)", translate.FaultRejected, 0, 0},
		{"what is this", translate.FaultBroken, 0, 0},
	} {
		e := classify(c.text)
		if e.Fault != c.fault || e.Retry != c.retry || (e.TooLong != nil) != (c.limit > 0) || e.TooLong != nil && e.TooLong.Limit != c.limit {
			t.Errorf("%s: fault %s, retry %v, %+v", c.text, e.Fault, e.Retry, e.TooLong)
		}
		if c.fault == translate.FaultRejected && e.Upstream.Status != 400 {
			t.Errorf("%s: status %d", c.text, e.Upstream.Status)
		}
	}
}
