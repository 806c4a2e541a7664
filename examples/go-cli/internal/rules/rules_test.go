package rules

import "testing"

func TestTheFirstRuleCounts(t *testing.T) {
	book := Book{Other: "other", Rules: []Rule{{"food", []string{"Market"}}, {"fun", []string{"market hall"}}}}
	for text, want := range map[string]string{"MARKET HALL": "food", "cinema": "other"} {
		if got := book.Category(text); got != want {
			t.Errorf("%s is %s, not %s", text, got, want)
		}
	}
}
