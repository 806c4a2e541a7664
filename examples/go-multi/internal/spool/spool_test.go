package spool

import "testing"

func TestLettersComeBackInOrder(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		if _, err := s.Put("north", Letter{"a@north", text}); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := s.List("north")
	if err != nil || len(letters) != 2 || letters[1].Text != "second" {
		t.Fatal(letters, err)
	}
}
