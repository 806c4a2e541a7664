module example.net/mailroom

go 1.22
