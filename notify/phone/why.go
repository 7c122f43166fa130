package phone

// Why tells why digits that look like a phone number are not one to text. The
// set is closed. It is an error too, so that Parse can return it and errors.Is
// can tell.
type Why string

const (
	// Landline: a valid number that can't receive SMS.
	Landline Why = "landline"
	// NotMobile: valid, but premium rate, toll-free, VoIP, pager, voicemail or
	// another kind nobody's mobile has.
	NotMobile Why = "not_mobile"
	// Ambiguous: a landline here, but written in pairs as the French write a
	// mobile number: 06 12 34 56 78 is both. Not guessed.
	Ambiguous Why = "ambiguous"
	// NoPrefix: a mobile number if one puts a 0 or + before it.
	NoPrefix Why = "no_prefix"
	// DigitMissing and DigitExtra: a mobile number but for one digit.
	DigitMissing Why = "digit_missing"
	DigitExtra   Why = "digit_extra"
	// LetterO: a mobile number if a letter O in it is read as a zero.
	LetterO Why = "letter_o"
	// IDLabel: the words or signs around say that it is something else: a
	// patient number, an invoice, a room, a code, a fax, #, _, a letter.
	IDLabel Why = "id_label"
	// Reference: digits with a format of their own: IBAN, AHV number, insurance
	// or credit card, payment reference.
	Reference Why = "reference"
	// DialIn: the number of a conference call, followed by its code.
	DialIn Why = "dial_in"
	// Ignored: one of the numbers WithIgnored names, such as the clinic's own.
	Ignored Why = "ignored"
	// Invalid: no number any network has.
	Invalid Why = "invalid"
)

// Whys lists the whole set.
var Whys = []Why{
	Landline, NotMobile, Ambiguous, NoPrefix, DigitMissing, DigitExtra,
	LetterO, IDLabel, Reference, DialIn, Ignored, Invalid,
}

// Error makes a Why an error.
func (w Why) Error() string { return "phone: " + string(w) }
