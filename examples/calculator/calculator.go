// Calculator evaluates arithmetic expressions.
//
//	calculator '12 * (3 + 4)'     the arguments, joined by spaces, are one expression
//	echo '1 / 3' | calculator     without arguments, every line of standard input is one
//
// It prints a result a line. The exit status is 0 if every expression had a
// value, 1 if one had none, and 2 if standard input could not be read.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

func main() {
	if arguments := os.Args[1:]; len(arguments) > 0 {
		os.Exit(answer(strings.Join(arguments, " ")))
	}
	os.Exit(answerLines())
}

// answerLines answers each line of standard input and returns the exit status.
func answerLines() int {
	status := 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if failed := answer(lines.Text()); failed != 0 {
			status = failed
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintf(os.Stderr, "calculator: cannot read standard input: %v\n", err)
		return 2
	}
	return status
}

// answer prints the value of one expression, or why it has none.
func answer(expression string) int {
	value, err := evaluate(expression)
	if err != nil {
		fmt.Fprintf(os.Stderr, "calculator: %s: %v\n", strings.TrimSpace(expression), err)
		return 1
	}
	fmt.Println(strconv.FormatFloat(value, 'g', 15, 64))
	return 0
}

// evaluate returns the value of an expression:
//
//	sum     = product { ("+" | "-") product }
//	product = power { ("*" | "/" | "%") power }
//	power   = unary [ "^" power ]
//	unary   = { "-" | "+" } primary
//	primary = number | "(" sum ")"
func evaluate(expression string) (float64, error) {
	p := &parser{text: expression}
	value, err := p.sum()
	if err != nil {
		return 0, err
	}
	if p.peek() != 0 {
		return 0, fmt.Errorf("unexpected %q at column %d", p.peek(), p.position+1)
	}
	if math.IsInf(value, 0) || math.IsNaN(value) {
		return 0, fmt.Errorf("the result is too large")
	}
	return value, nil
}

// maxDepth bounds nesting, so that a hostile line cannot exhaust the stack.
const maxDepth = 1000

type parser struct {
	text     string
	position int
	depth    int
}

// peek returns the next character that is not a blank, or 0 at the end.
func (p *parser) peek() byte {
	for p.position < len(p.text) {
		if c := p.text[p.position]; c != ' ' && c != '\t' && c != '\r' {
			return c
		}
		p.position++
	}
	return 0
}

func (p *parser) sum() (float64, error) {
	left, err := p.product()
	for err == nil {
		operator := p.peek()
		if operator != '+' && operator != '-' {
			return left, nil
		}
		p.position++
		var right float64
		right, err = p.product()
		if operator == '+' {
			left += right
		} else {
			left -= right
		}
	}
	return 0, err
}

func (p *parser) product() (float64, error) {
	left, err := p.power()
	for err == nil {
		operator := p.peek()
		if operator != '*' && operator != '/' && operator != '%' {
			return left, nil
		}
		p.position++
		var right float64
		right, err = p.power()
		switch {
		case err != nil:
		case operator == '*':
			left *= right
		case right == 0:
			err = fmt.Errorf("division by zero")
		case operator == '/':
			left /= right
		default:
			left = math.Mod(left, right)
		}
	}
	return 0, err
}

func (p *parser) power() (float64, error) {
	base, err := p.unary()
	if err != nil || p.peek() != '^' {
		return base, err
	}
	p.position++
	exponent, err := p.nested(p.power)
	return math.Pow(base, exponent), err
}

func (p *parser) unary() (float64, error) {
	sign := 1.0
	for {
		switch p.peek() {
		case '-':
			sign = -sign
		case '+':
		default:
			value, err := p.primary()
			return sign * value, err
		}
		p.position++
	}
}

func (p *parser) primary() (float64, error) {
	switch c := p.peek(); {
	case c == 0:
		return 0, fmt.Errorf("a number is missing at the end")
	case c == '(':
		p.position++
		value, err := p.nested(p.sum)
		if err != nil {
			return 0, err
		}
		if p.peek() != ')' {
			return 0, fmt.Errorf("a closing parenthesis is missing at column %d", p.position+1)
		}
		p.position++
		return value, nil
	case c >= '0' && c <= '9' || c == '.':
		return p.number()
	default:
		return 0, fmt.Errorf("unexpected %q at column %d", c, p.position+1)
	}
}

// nested runs one rule a level deeper.
func (p *parser) nested(rule func() (float64, error)) (float64, error) {
	if p.depth++; p.depth > maxDepth {
		return 0, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	defer func() { p.depth-- }()
	return rule()
}

func (p *parser) number() (float64, error) {
	start := p.position
	for p.position < len(p.text) && strings.IndexByte("0123456789.", p.text[p.position]) >= 0 {
		p.position++
	}
	digits := p.text[start:p.position]
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number", digits)
	}
	return value, nil
}
