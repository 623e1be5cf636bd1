package fleet

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"strconv"
)

// names are what things are called in Redis; docs/fleet.md has the table. Keys that one script uses
// together share a hash tag, so that a Cluster has them in one slot.
type names struct {
	prefix string
	secret []byte
}

// parts is over how many hash tags seats are spread: enough to use every node of a Cluster, and few
// enough to renew one lease in each. Servers of one fleet must agree on it.
const parts = 64

func (n names) rate(key string) string { return n.prefix + ":rate:" + n.hidden(key) }

func (n names) seat(key string) (part int, name string) {
	key = n.hidden(key)
	part = int(crc32.ChecksumIEEE([]byte(key)) % parts)
	return part, n.seatTag(part) + ":" + key
}

func (n names) leases(part int) string  { return n.prefix + ":leases:" + tag(part) }
func (n names) seatTag(part int) string { return n.prefix + ":seats:" + tag(part) }
func tag(part int) string               { return "{" + strconv.Itoa(part) + "}" }

func (n names) ends() string        { return n.prefix + ":{fleet}:ends" }
func (n names) maintenance() string { return n.prefix + ":{fleet}:maintenance" }

func (n names) ticket(id string) string { return n.prefix + ":ticket:" + id }

// hidden is the key, or 128 bits of its HMAC: more than enough that two never meet.
func (n names) hidden(key string) string {
	if len(n.secret) == 0 {
		return key
	}
	mac := hmac.New(sha256.New, n.secret)
	mac.Write([]byte(key))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
