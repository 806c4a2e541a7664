// What a static program asks of its base.
package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"time"
)

func lab() string {
	answer, err := http.Get("https://" + os.Getenv("LAB"))
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "not trusted"
	}
	if err != nil {
		return err.Error()
	}
	return answer.Status
}

func main() {
	fmt.Println("hello from", os.Getuid())
	zone, err := time.LoadLocation("Europe/Kiev")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("in Kiev it was", time.Unix(1700000000, 0).In(zone).Format("15:04 -0700"))
	nonroot, err := user.Lookup("nonroot")
	if err == nil {
		fmt.Println("nonroot is", nonroot.Uid, "in", nonroot.HomeDir)
	}
	addresses, err := net.LookupHost("hosts.test")
	fmt.Println("hosts.test is", addresses, err)
	port, err := net.LookupPort("tcp", "ldaps")
	fmt.Println("ldaps is", port, err)
	fmt.Println("local time is", time.Local, time.Unix(0, 0).Format("MST"))
	fmt.Println("/tmp is read-only:", os.WriteFile("/tmp/x", nil, 0o600) != nil)
	fmt.Println("the lab says", lab())
}
