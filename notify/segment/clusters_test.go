package segment

import (
	"testing"

	"github.com/rivo/uniseg"
)

// The characters called plain end a cluster before and after every other, as uniseg
// finds clusters.
func TestPlain(t *testing.T) {
	t.Parallel()
	for r := range rune(0x20000) {
		if r >= 0xD800 && r < 0xE000 || !plain(r) {
			continue
		}
		for _, other := range "aé😀ж☎–€漢か🚀\u00ad\u00a9\r" {
			if r == '\n' && other == '\r' {
				continue
			}
			if n := uniseg.GraphemeClusterCount(string([]rune{other, r})); n != 2 {
				t.Errorf("%U joins %q before it", r, other)
			}
			if r == '\r' && other == '\n' {
				continue
			}
			if n := uniseg.GraphemeClusterCount(string([]rune{r, other})); n != 2 {
				t.Errorf("%U draws on %q after it", r, other)
			}
		}
	}
}
