module example.net/tides

go 1.19
