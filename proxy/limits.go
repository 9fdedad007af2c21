package proxy

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// LimitUse is how one limit stands for one of those that it counts.
type LimitUse struct {
	Rule    string  `json:"rule"`
	Kind    string  `json:"kind"` // requests, tokens, concurrent, or budget, in the unit of the prices
	Per     string  `json:"per"`  // what is counted: caller, user, group, address, model or all
	Subject string  `json:"subject"`
	Used    float64 `json:"used"`
	Of      float64 `json:"of"`
	Left    float64 `json:"left"`
	Resets  float64 `json:"resets_in_seconds"` // until nothing is used any more, if nothing else comes; 0: the clock does not tell
	// Partly: it is counted by this process alone, and others count as well; what they have let in
	// may leave less. False for a budget that a store keeps for all of them.
	Partly bool `json:"this_process_only"`
}

// LimitUses returns the limits and budgets of which the largest parts are used, at most so many, the most
// used first, as this process knows. Addresses are told by their network.
func (g *Gateway) LimitUses(most int) []LimitUse {
	all := []LimitUse{}
	for _, u := range g.admission.Uses(most) {
		all = append(all, g.useOf(&u))
	}
	now := time.Now()
	for _, u := range g.admission.BudgetUses(g.plan.Load().Budgets, most) {
		all = append(all, g.budgetUseOf(&u, now))
	}
	slices.SortStableFunc(all, func(a, b LimitUse) int { return cmp.Compare(b.Used*a.Of, a.Used*b.Of) })
	return all[:min(len(all), most)]
}

// LimitsShared reports whether several processes count limits together, of which [Gateway.LimitUses] and
// [Gateway.ForeseeLimits] tell the counts of this one. Of budgets each use says so for itself.
func (g *Gateway) LimitsShared() bool { return g.admission.Shared() }

func (g *Gateway) useOf(u *limiter.Use) LimitUse {
	return LimitUse{
		Partly: g.admission.Shared(),
		Rule:   u.Rule, Kind: [...]string{"", "requests", "tokens", "concurrent"}[u.Kind], Per: [...]string{"all", "caller", "user", "group", "address", "model"}[u.Scope],
		Subject: subjectOf(u.Scope, u.Key), Used: journal.Rounded(u.Used), Of: float64(u.Limit), Left: float64(u.Remaining), Resets: journal.Rounded(u.Reset.Seconds()),
	}
}

// budgetUseOf is how a budget stands at now, as a limit.
func (g *Gateway) budgetUseOf(u *admission.BudgetUse, now time.Time) LimitUse {
	per, scope := "caller", limiter.Caller
	if u.Caller == "" {
		per, scope = "all", limiter.All
	}
	const unit = admission.Unit
	return LimitUse{
		Partly: g.admission.SpendsAlone(),
		Rule:   u.Name, Kind: "budget", Per: per, Subject: subjectOf(scope, u.Caller), Used: float64(u.Amount-u.Left) / unit,
		Of: float64(u.Amount) / unit, Left: float64(max(u.Left, 0)) / unit, Resets: journal.Rounded(u.Ends.Sub(now).Seconds()),
	}
}

// subjectOf is whom a limit counts under key, in words.
func subjectOf(scope limiter.Scope, key string) string {
	switch {
	case scope == limiter.All:
		return "all"
	case key == "":
		return "(several)"
	case !plainText(strings.ReplaceAll(key, "\x00", "")):
		return "(a long name)" // it is kept as a hash
	case scope == limiter.Address:
		return store.NetworkOf(key)
	}
	caller, user, found := strings.Cut(key, "\x00")
	switch {
	case found && scope == limiter.User:
		return translate.Clip(user) + " of " + shownName(caller)
	case found:
		return "the caller " + shownName(user) // of no group
	}
	return shownName(key)
}

// plainText reports whether text can be shown.
func plainText(text string) bool {
	for _, r := range text {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return false
		}
	}
	return true
}

// shownName is the name of a caller as it is shown, cut where it is long.
func shownName(name string) string { return translate.Clip(store.ShownCaller(name)) }

// LimitQuestion is a question of which is asked whether the limits would let it in.
type LimitQuestion struct {
	Caller  string `json:"caller"`       // as that of a Hypothesis
	Model   string `json:"model"`        // a model or preset; empty: the caller's default
	User    string `json:"user"`         // the end user, for limits that count by it
	Address string `json:"address"`      // the client's, for limits that count by it
	Input   int    `json:"input_tokens"` // the estimate for the question
	Most    int    `json:"max_tokens"`   // of the answer; 0: 1,000 are reserved
}

// LimitForeseen is what the limits and the budget would say.
type LimitForeseen struct {
	Caller string     `json:"caller"`
	Model  string     `json:"model"`
	Tokens int        `json:"tokens"` // that would be reserved
	Cost   float64    `json:"cost"`   // that would be, in the unit of the prices
	LetIn  bool       `json:"let_in"`
	Waits  bool       `json:"waits"` // it would wait for a limit that has a queue
	By     string     `json:"refused_by"`
	Why    string     `json:"why"`
	Retry  float64    `json:"retry_seconds"` // 0: the clock does not tell
	Rules  []LimitUse `json:"rules"`         // all that would be asked
	Budget *BudgetUse `json:"budget"`        // nil: there is none
	// Partly: some of Rules are the counts of this process alone, see [LimitUse]; what others
	// have counted besides may refuse the question.
	Partly bool `json:"this_process_only"`
}

// BudgetUse is how the budget of a caller stands, in the unit of the prices.
type BudgetUse struct {
	Name string    `json:"name"`
	Of   float64   `json:"of"`
	Left float64   `json:"left"`
	Ends time.Time `json:"ends"` // when it is whole again
}

// ForeseeLimits says whether the limits and the budget of its caller would let q in now. It
// counts nothing. Where several processes share limits, it says what this one has counted. The
// error's code is that of the refusal that the caller would get for its model, NOT_FOUND for a
// caller that neither the file nor a stored key names, or VALIDATION_ERROR.
func (g *Gateway) ForeseeLimits(ctx context.Context, q LimitQuestion) (*LimitForeseen, *translate.Error) {
	if q.Input < 0 || q.Most < 0 || q.Input > translate.MaxTokens || q.Most > translate.MaxTokens {
		return nil, translate.Invalid("input_tokens and max_tokens want numbers from 0 to a billion")
	}
	plan := g.plan.Load()
	who, err := g.keys.Named(plan.Callers, q.Caller)
	if err == nil && who.Anonymous && q.Address != "" {
		who, err = g.Identify("", q.Address)
	}
	if err != nil {
		return nil, err
	}
	m, err := plan.Resolve(who, q.Model)
	if err != nil {
		return nil, err
	}
	output := q.Most
	if output == 0 {
		output = answerTokens
	}
	f := &LimitForeseen{Caller: shownName(who.Name), Model: translate.Clip(m.Name), Tokens: q.Input + output, LetIn: true, Rules: []LimitUse{}}
	uses, refusal := g.foreseeRules(ctx, plan, Question{Caller: who, Model: m, User: q.User, Address: q.Address}, f.Tokens)
	for i := range uses {
		f.under(g.useOf(&uses[i]))
	}
	if refusal != nil {
		f.refuse(refusal.Rule, refusal.Refusal())
		f.Waits = plan.Callers.Queues(refusal.Rule) && !refusal.TooLarge
	}
	price, expected := plan.PriceOf(m, ""), translate.Usage{Input: int64(q.Input), Output: int64(output)}
	f.Cost = float64(price.Of(expected)) / admission.Unit
	return f, g.foreseeBudget(ctx, plan.Budgets[who.Limits], who, price.Reserve(expected), f)
}

// foreseeRules returns how the limits of q's caller stand, and why they would refuse q with so many tokens;
// nil: they would not.
func (g *Gateway) foreseeRules(ctx context.Context, plan *routing.Plan, q Question, tokens int) ([]limiter.Use, *limiter.Exceeded) {
	q.Request = &translate.Request{}
	p := g.pending(ctx, q)
	p.x.plan = plan
	s := limiter.Subject{Tokens: tokens}
	for _, r := range q.Caller.Rules {
		s.Under(r, r.Scope(), (*claim)(p).Key(r.Scope()))
	}
	return g.admission.Foresee(s)
}

// under adds a rule that would be asked.
func (f *LimitForeseen) under(u LimitUse) {
	f.Rules, f.Partly = append(f.Rules, u), f.Partly || u.Partly
}

// refuse notes that the limits or the budget called rule would refuse with err.
func (f *LimitForeseen) refuse(rule string, err *translate.Error) {
	f.LetIn, f.By, f.Why, f.Retry = false, rule, err.Message, journal.Rounded(err.Retry.Seconds())
}

// foreseeBudget adds to f what b, which may be nil, says of a question that reserves so much.
func (g *Gateway) foreseeBudget(ctx context.Context, b *admission.Budget, who *Caller, cost int64, f *LimitForeseen) *translate.Error {
	if b == nil {
		return nil
	}
	use, err := g.admission.BudgetOf(ctx, b, who.Name)
	if err != nil {
		return translate.Gone(context.Cause(ctx))
	}
	f.Budget = &BudgetUse{Name: use.Name, Of: float64(use.Amount) / admission.Unit, Left: float64(use.Left) / admission.Unit, Ends: use.Ends}
	now := time.Now()
	f.under(g.budgetUseOf(&use, now))
	if refusal := use.Refusal(cost, now); refusal != nil && f.LetIn {
		f.refuse(use.Name, refusal)
	}
	return nil
}

// Refused returns which questions were refused in the last quarter of an hour before a channel
// was asked, by caller and limits, the newest first.
func (g *Gateway) Refused() []journal.Refused {
	return g.refusals.Lately(time.Now())
}
