package camt

// Kind of a file.
type Kind string

// Kinds of files.
const (
	Statement    Kind = "053" // bookings with balances
	Notification Kind = "054" // bookings with their details
)

// File is what a bank sent.
type File struct {
	Kind     Kind
	Version  int    // 2 to 99; 0 where the file doesn't say
	Message  string // the bank's id of the file
	Bookings []Booking
	Skipped  int // bookings that aren't final yet
	Foreign  int // bookings left out since they aren't in CHF
}

// Booking is one final line of an account.
type Booking struct {
	Key      string // names it in every file; banks may give several the same
	IBAN     string // or the account number as the bank has it
	Ref      string // AcctSvcrRef; "" if the bank gives none
	Rappen   int64  // > 0
	Credit   bool   // money that came
	Reversal bool   // takes an earlier booking of the other direction back
	BookedOn string // 2006-01-02
	ValueOn  string // 2006-01-02; that of the booking if the bank gives none
	Payments int    // how many the bank says are in it; 0 = doesn't say
	Info     string // the bank's remark
	Details  []Detail
	Unclear  string // why the details the bank gave can't be told; names elements only
	Again    int    // how many bookings of the same key came before it in the file
}

// Detail is one payment of a booking.
type Detail struct {
	Key       string // names it within the bookings of its key
	Rappen    int64  // > 0, in the booking's direction
	Reference string // structured: QRR or SCOR, normal form; "" if there is none
	Ref       string // AcctSvcrRef of the payment
	EndToEnd  string
	Name      string // who paid
	IBAN      string // paid from
	Text      string // what they wrote
	Returned  bool   // the bank says that a payment comes back (RtrInf)
}
