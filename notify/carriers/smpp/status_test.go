package smpp

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/segment"
	"rappel/notify/standin"
)

// Every command_status that means something to us, over the wire.
func TestSend_everyStatus(t *testing.T) {
	t.Parallel()
	var log notifytest.Log
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSMSC(t, smsc) })
	r := attachLogged(t, notifytest.NewInbox(), smsc, "", nil, slog.New(slog.NewTextHandler(&log, nil)))
	for status, want := range statusWant {
		t.Run(code(status), func(t *testing.T) {
			log.Reset()
			r.smsc.Fault(standin.Fault{Action: standin.Refuse, Status: status})
			_, err := r.carrier.Send(t.Context(), message("geheim"))
			if e := asSendError(t, err, want.kind); e.Code != code(status) || e.After != 0 {
				t.Errorf("code %q after %v", e.Code, e.After)
			}
			if got := strings.Contains(log.String(), "level=ERROR"); got != want.alert {
				t.Errorf("alert is %v, want %v: %s", got, want.alert, log.String())
			}
		})
	}
	if n := r.smsc.Accepted(); n != 0 {
		t.Errorf("%d accepted", n)
	}
}

var statusWant = map[uint32]struct {
	kind  error
	alert bool // our bug: somebody who can change this program should hear of it
}{
	0x01:  {notify.ErrRejected, true},            // RINVMSGLEN
	0x02:  {notify.ErrRejected, true},            // RINVCMDLEN
	0x03:  {notify.ErrRejected, true},            // RINVCMDID
	0x04:  {notify.ErrTemporary, false},          // RINVBNDSTS
	0x05:  {notify.ErrTemporary, false},          // RALYBND
	0x08:  {notify.ErrTemporary, false},          // RSYSERR
	0x0A:  {notify.ErrInvalidSender, false},      // RINVSRCADR
	0x0B:  {notify.ErrInvalidDestination, false}, // RINVDSTADR
	0x0D:  {notify.ErrTemporary, false},          // RBINDFAIL
	0x0E:  {notify.ErrTemporary, false},          // RINVPASWD
	0x0F:  {notify.ErrTemporary, false},          // RINVSYSID
	0x14:  {notify.ErrThrottled, false},          // RMSGQFUL
	0x15:  {notify.ErrRejected, true},            // RINVSERTYP
	0x43:  {notify.ErrRejected, true},            // RINVESMCLASS
	0x45:  {notify.ErrUndelivered, false},        // RSUBMITFAIL
	0x48:  {notify.ErrInvalidSender, true},       // RINVSRCTON
	0x49:  {notify.ErrInvalidSender, true},       // RINVSRCNPI
	0x50:  {notify.ErrInvalidDestination, true},  // RINVDSTTON
	0x51:  {notify.ErrInvalidDestination, true},  // RINVDSTNPI
	0x53:  {notify.ErrRejected, false},           // RINVSYSTYP
	0x58:  {notify.ErrThrottled, false},          // RTHROTTLED
	0x59:  {notify.ErrNotAllowed, false},         // RPROVNOTALLWD
	0x61:  {notify.ErrRejected, true},            // RINVSCHED
	0x62:  {notify.ErrRejected, true},            // RINVEXPIRY
	0x64:  {notify.ErrTemporary, false},          // RX_T_APPN
	0x65:  {notify.ErrRejected, false},           // RX_P_APPN
	0x66:  {notify.ErrRejected, false},           // RX_R_APPN
	0xC0:  {notify.ErrRejected, true},            // RINVOPTPARSTREAM
	0xFE:  {notify.ErrTemporary, false},          // RDELIVERYFAILURE
	0xFF:  {notify.ErrTemporary, false},          // RUNKNOWNERR
	0x400: {notify.ErrRejected, false},           // an operator's own
}

// A refused bind: which a person must mend, and which pass.
func TestBind_everyStatus(t *testing.T) {
	t.Parallel()
	for status, lasting := range map[uint32]bool{
		0x05: false, 0x08: false, 0x0D: false, 0x14: false, 0x58: false, 0x64: false, 0xFF: false,
		0x0E: true, 0x0F: true, 0x53: true, 0x03: true,
	} {
		t.Run(code(status), func(t *testing.T) {
			t.Parallel()
			smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeSMSC(t, smsc) })
			smsc.RefuseBinds(status)
			clk := newClock()
			r := attach(t, notifytest.NewInbox(), smsc, "", clk)
			clk.await(t, WaitReconnect, 1) // it has heard
			want := notify.ErrTemporary
			if lasting {
				want = notify.ErrMisconfigured
			} else {
				go clk.fire(t, WaitLink, 1)
			}
			_, err = r.carrier.Send(t.Context(), message("x"))
			e := asSendError(t, err, want)
			if e.Code != code(status) {
				t.Errorf("code %q", e.Code)
			}
			if noRoute := lasting || status == 0x05 || status == 0x0D; e.Refused != noRoute {
				t.Errorf("refused %v, want %v", e.Refused, noRoute)
			}
		})
	}
}

// Every status of a receipt, by its text, by its parameters, and by both.
func TestReceipt_everyStatus(t *testing.T) {
	t.Parallel()
	want := map[string]notify.Status{
		"DELIVRD": notify.Delivered, "UNDELIV": notify.NotDelivered, "DELETED": notify.NotDelivered, "EXPIRED": notify.Expired,
		"REJECTD": notify.Rejected, "ENROUTE": notify.Sent, "ACCEPTD": notify.Sent, "UNKNOWN": notify.Sent,
	}
	for name, form := range map[string]standin.ReceiptForm{"both": standin.ReceiptBoth, "text": standin.ReceiptText, "TLV": standin.ReceiptTLV} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := notifytest.NewInbox()
			r := start(t, in, "", standin.SMSCConfig{Receipts: form}, nil)
			n := 0
			for stat, status := range want {
				s, err := r.carrier.Send(t.Context(), message(stat))
				if err != nil {
					t.Fatal(err)
				}
				errCode := "000"
				if status != notify.Delivered && status != notify.Sent {
					errCode = "027"
				}
				r.smsc.Receipt(s.IDs[0], stat, errCode)
				n++
				got := in.AwaitReceipts(t, n)[n-1]
				if got.Status != status || got.CarrierID != s.IDs[0] {
					t.Errorf("%s: got %v for %q, want %v for %q", stat, got.Status, got.CarrierID, status, s.IDs[0])
				}
				if errCode != "000" && strings.TrimLeft(got.Code, "0") != "27" {
					t.Errorf("%s: code %q, want 27", stat, got.Code)
				}
			}
		})
	}
}

// Statuses as gateways abbreviate or write them out.
func TestStatusOf(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]notify.Status{
		"DELIVERED": notify.Delivered, "DELIV": notify.Delivered, "UNDELIVERABLE": notify.NotDelivered, "FAILED": notify.NotDelivered,
		"REJECTED": notify.Rejected, "ACCEPTED": notify.Sent, "BUFFERED": notify.Sent, "EXPIRE": notify.Expired, "": notify.Sent, "DONE": notify.Sent, "D": notify.Sent,
	} {
		if got, _ := statusOf(stat); got != want {
			t.Errorf("%q: got %v, want %v", stat, got, want)
		}
	}
	for state, want := range map[byte]notify.Status{0: notify.Sent, 1: notify.Sent, 2: notify.Delivered, 3: notify.Expired, 4: notify.NotDelivered,
		5: notify.NotDelivered, 6: notify.Sent, 7: notify.Sent, 8: notify.Rejected, 9: notify.Sent} {
		if got, known := statusOfState(state); got != want || known != (state >= 1 && state <= 8) {
			t.Errorf("state %d: got %v, %v", state, got, known)
		}
	}
}

// Undelivered since nobody has the number, and for anything else.
func TestReceipt_unknownSubscriber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query, text, tlvs string
		want              notify.Status
	}{
		{"", "id:1 stat:UNDELIV err:000", "\x04\x23\x00\x03\x03\x00\x01", notify.InvalidDestination},
		{"", "id:1 stat:UNDELIV err:000", "\x04\x23\x00\x03\x03\x00\x1B", notify.NotDelivered}, // phone off
		{"", "id:1 stat:UNDELIV err:000", "\x04\x23\x00\x03\x01\x00\x01", notify.NotDelivered}, // not GSM
		{"", "id:1 stat:UNDELIV err:001", "", notify.NotDelivered},
		{"unknown=27,001", "id:1 stat:UNDELIV err:001", "", notify.InvalidDestination},
		{"unknown=27,001", "id:1 stat:UNDELIV err:027", "", notify.InvalidDestination},
		{"unknown=27,001", "id:1 stat:UNDELIV err:000", "", notify.NotDelivered},
		{"unknown=27,001", "id:1 stat:DELIVRD err:001", "", notify.Delivered},
	} {
		in := notifytest.NewInbox()
		p := withPeer(t, in, tt.query, "smsc\x00")
		p.write(t, data.DELIVER_SM, 0, 7, deliverSM(4, 0, tt.text, tt.tlvs))
		if got := in.AwaitReceipts(t, 1)[0]; got.Status != tt.want {
			t.Errorf("%s, %s: got %v, want %v", tt.query, tt.text, got.Status, tt.want)
		}
		if h, _ := p.read(t); h.status != 0 {
			t.Errorf("answered %+v", h)
		}
	}
}

// Ids however the gateway writes them in answers and receipts.
func TestReceipt_idForms(t *testing.T) {
	t.Parallel()
	for i, cfg := range []standin.SMSCConfig{
		{}, {PadIDs: 12}, {HexIDs: true}, {HexIDs: true, UpperIDs: true}, {HexIDs: true, UpperIDs: true, PadIDs: 10}, {HexIDs: true, PadIDs: 16},
	} {
		for _, form := range []standin.ReceiptForm{standin.ReceiptBoth, standin.ReceiptText, standin.ReceiptTLV} {
			for _, id := range []IDForm{IDAuto, map[bool]IDForm{true: IDHex, false: IDDecimal}[cfg.HexIDs]} {
				t.Run(fmt.Sprintf("%d/%d/%s", i, form, id), func(t *testing.T) {
					t.Parallel()
					cfg := cfg
					cfg.Receipts, cfg.Auto = form, "DELIVRD"
					in := notifytest.NewInbox()
					r := start(t, in, "id="+string(id), cfg, nil)
					var want []string
					for n := range 3 * sureVotes / 2 { // until it is sure, and on
						s, err := r.carrier.Send(t.Context(), message("x"))
						if err != nil {
							t.Fatal(err)
						}
						want = append(want, s.IDs...)
						if got := in.AwaitReceipts(t, n+1)[n].CarrierID; got != want[n] {
							t.Fatalf("receipt %d is for %q, answered was %q", n, got, want[n])
						}
					}
				})
			}
		}
	}
}

// A gateway that counts from 1, answers in hexadecimal and writes decimal receipts: most
// numbers are ids of two messages. The receipts come together and in any order.
func TestReceipt_smallIDs(t *testing.T) {
	t.Parallel()
	for _, hex := range []bool{true, false} {
		t.Run(fmt.Sprintf("hex %v", hex), func(t *testing.T) {
			t.Parallel()
			const n = 500
			in := notifytest.NewInbox()
			r := start(t, in, "", standin.SMSCConfig{HexIDs: hex, FirstID: 1, Receipts: standin.ReceiptText}, nil)
			r.smsc.Plan(standin.ReceiptPlan{Stat: "DELIVRD", Hold: true, Shuffle: n})
			to := map[string]string{}
			for i := range n {
				m := message("x")
				m.Recipient = fmt.Sprintf("+4179%07d", i)
				s, err := r.carrier.Send(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				to[s.IDs[0]] = m.Recipient
			}
			r.smsc.ReleaseReceipts()
			wrong := 0
			for _, got := range in.AwaitReceipts(t, n)[:n] {
				if to[got.CarrierID] != got.Recipient {
					wrong++
				}
			}
			if wrong > 0 {
				t.Errorf("%d of %d receipts are for somebody else's message", wrong, n)
			}
		})
	}
}

// Receipts in GSM-7, where | and _ are no ASCII, and codes that say nothing beside DELIVERED.
func TestReceipt_forms(t *testing.T) {
	t.Parallel()
	in := notifytest.NewInbox()
	p := withPeer(t, in, "", "smsc\x00")
	for i, tt := range []struct {
		coding         byte
		text, id, code string
		status         notify.Status
	}{
		{0, "id:ab12-1\x1b@stat:DELIVRD\x1b@err:000\x1b@text:5\x1be", "ab12-1", "", notify.Delivered},
		{0xF0, "id:z\x111 done\x11date:2603041431 stat:UNDELIV err:027", "z_1", "027", notify.NotDelivered},
		{1, "message\x11id:z stat:UNDELIV err:027", "z", "027", notify.NotDelivered},
		{0, "id:y_\x1b@stat:UNDELIV\x1b@err:027", "y_", "027", notify.NotDelivered}, // half ASCII
		{8, string(segment.EncodeUCS2(nil, "id:x|stat:DELIVRD")), "x", "", notify.Delivered},
		{0, "id:w stat:DELIVRD err:-1", "w", "", notify.Delivered},
		{0, "id:v stat:DELIVRD err:000.", "v", "", notify.Delivered},
		{0, "id:u stat:UNDELIV err:-1", "u", "-1", notify.NotDelivered},
		{0, "id:t stat:UNDELIV err:000.", "t", "UNDELIV", notify.NotDelivered},
	} {
		p.write(t, data.DELIVER_SM, 0, 7, deliverSM(4, tt.coding, tt.text, ""))
		if h, _ := p.read(t); h.status != 0 {
			t.Fatalf("%q: answered %+v", tt.text, h)
		}
		if got := in.AwaitReceipts(t, i+1)[i]; got.CarrierID != tt.id || got.Code != tt.code || got.Status != tt.status {
			t.Errorf("%q: got %+v", tt.text, got)
		}
	}
}
