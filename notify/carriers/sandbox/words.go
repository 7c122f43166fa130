package sandbox

// words are the texts of the phone page in one language.
type words struct {
	Code, Title, Intro, Phones, Open, OpenHint, NoPhones, NoTexts, Received, Wrote, To, Reply, Placeholder, Send, Date, SMS string
	NobodyYet, NameNote                                                                                                     string
	notes, problems                                                                                                         map[string]string
}

func (w words) note(phone string) string { return w.notes[demoOf(phone).Ending] }

func (w words) problem(code string) string { return w.problems[code] }

var german = words{
	Code: "de", Title: "Telefon", Date: "02.01.2006", SMS: "SMS",
	Intro:    "Hier kommen die SMS an, die Rappel über die Sandbox verschickt. Kein Text verlässt diese Maschine.",
	Phones:   "Telefone",
	Open:     "Anderes Telefon zeigen",
	OpenHint: "Nummer, z. B. +41 79 123 45 67",
	NoPhones: "Noch hat kein Telefon eine SMS erhalten. Sobald eine Erinnerung fällig ist, erscheint sie hier von selbst.",
	NoTexts:  "Dieses Telefon hat noch keine SMS erhalten.",
	Received: "Empfangen von", Wrote: "Geschrieben an", To: "An", Reply: "Antworten", Placeholder: "Nachricht", Send: "Senden",
	NobodyYet: "Antworten kann man, sobald jemand geschrieben hat.",
	NameNote:  "Auf einem echten Telefon kann man einem Namen nicht antworten, nur einer Nummer.",
	notes: map[string]string{
		"0001": "Testnummer …0001: Texte werden angenommen, aber nie zugestellt (NOT_DELIVERED).",
		"0002": "Testnummer …0002: Der Versand wird sofort abgelehnt (INVALID_DESTINATION).",
		"0003": "Testnummer …0003: Texte kommen an, aber es folgt nie eine Zustellbestätigung.",
		"0004": "Testnummer …0004: Der Empfänger hat sich abgemeldet; der Versand wird abgelehnt.",
		"0005": "Testnummer …0005: Die Sandbox nimmt gerade nichts an; Rappel versucht es später wieder.",
		"0006": "Testnummer …0006: Texte werden angenommen, dann abgewiesen (REJECTED).",
		"0007": "Testnummer …0007: Texte kommen an, aber Rappel erfährt es nicht gleich und muss nachfragen.",
		"0008": "Testnummer …0008: Texte werden angenommen und verfallen (EXPIRED).",
		"0009": "Testnummer …0009: Zu viele Texte; Rappel soll 30 Sekunden warten.",
		"0010": "Testnummer …0010: Die Verbindung bricht ab, bevor der Text angenommen ist.",
		"0011": "Testnummer …0011: Der Versand wird sofort abgelehnt (REJECTED).",
		"0012": "Testnummer …0012: Der Absender wird abgelehnt (INVALID_SENDER).",
		"0013": "Testnummer …0013: Der Text darf nicht zugestellt werden (NOT_ALLOWED).",
		"0014": "Testnummer …0014: Es gibt keinen Weg zu dieser Nummer (ROUTE_NOT_AVAILABLE).",
		"0015": "Testnummer …0015: Zu viele Texte, ohne Angabe einer Wartezeit.",
	},
	problems: map[string]string{
		"nobody": "Wähle, wem du antwortest.", "empty": "Schreibe zuerst eine Nachricht.", "long": "Höchstens 1600 Zeichen.",
	},
}

var english = words{
	Code: "en", Title: "Phone", Date: "2 Jan 2006", SMS: "SMS",
	Intro:    "This is where texts arrive that Rappel sends through the sandbox. No text leaves this machine.",
	Phones:   "Phones",
	Open:     "Show another phone",
	OpenHint: "Number, e.g. +41 79 123 45 67",
	NoPhones: "No phone has received a text yet. As soon as a reminder is due, it will appear here by itself.",
	NoTexts:  "This phone has not received a text yet.",
	Received: "Received from", Wrote: "Written to", To: "To", Reply: "Reply", Placeholder: "Message", Send: "Send",
	NobodyYet: "You can reply once somebody has written.",
	NameNote:  "On a real phone one can't reply to a name, only to a number.",
	notes: map[string]string{
		"0001": "Test number …0001: texts are accepted but never delivered (NOT_DELIVERED).",
		"0002": "Test number …0002: sending is refused at once (INVALID_DESTINATION).",
		"0003": "Test number …0003: texts arrive, but no receipt ever follows.",
		"0004": "Test number …0004: the recipient has opted out; sending is refused.",
		"0005": "Test number …0005: the sandbox takes nothing just now; Rappel tries again later.",
		"0006": "Test number …0006: texts are accepted, then turned down (REJECTED).",
		"0007": "Test number …0007: texts arrive, but Rappel isn't told and has to ask.",
		"0008": "Test number …0008: texts are accepted and expire (EXPIRED).",
		"0009": "Test number …0009: too many texts; Rappel is asked to wait 30 seconds.",
		"0010": "Test number …0010: the connection breaks before the text is accepted.",
		"0011": "Test number …0011: sending is refused at once (REJECTED).",
		"0012": "Test number …0012: the sender is refused (INVALID_SENDER).",
		"0013": "Test number …0013: the text may not be delivered (NOT_ALLOWED).",
		"0014": "Test number …0014: there is no route to this number (ROUTE_NOT_AVAILABLE).",
		"0015": "Test number …0015: too many texts, without saying how long to wait.",
	},
	problems: map[string]string{
		"nobody": "Choose whom you reply to.", "empty": "Write a message first.", "long": "At most 1600 characters.",
	},
}
