package camt

// The parts of a message that are read. Elements are matched by local name.

type document struct {
	Statements    []report   `xml:"BkToCstmrStmt>Stmt"`
	Notifications []report   `xml:"BkToCstmrDbtCdtNtfctn>Ntfctn"`
	Interim       []struct{} `xml:"BkToCstmrAcctRpt>Rpt"`
	StatementID   string     `xml:"BkToCstmrStmt>GrpHdr>MsgId"`
	NotifyID      string     `xml:"BkToCstmrDbtCdtNtfctn>GrpHdr>MsgId"`
}

type report struct {
	IBAN    string  `xml:"Acct>Id>IBAN"`
	Other   string  `xml:"Acct>Id>Othr>Id"`
	Entries []entry `xml:"Ntry"`
}

type amount struct {
	Currency string `xml:"Ccy,attr"`
	Value    string `xml:",chardata"`
}

type date struct {
	Day     string `xml:"Dt"`
	Instant string `xml:"DtTm"`
}

type entry struct {
	Ref       string `xml:"NtryRef"`
	Amount    amount `xml:"Amt"`
	Direction string `xml:"CdtDbtInd"`
	Reversal  string `xml:"RvslInd"`
	Status    struct {
		Code string `xml:"Cd"` // from version 08 on
		Text string `xml:",chardata"`
	} `xml:"Sts"`
	Booked  date      `xml:"BookgDt"`
	Value   date      `xml:"ValDt"`
	BankRef string    `xml:"AcctSvcrRef"`
	Info    string    `xml:"AddtlNtryInf"`
	Parts   []details `xml:"NtryDtls"`
}

type details struct {
	Count        string        `xml:"Btch>NbOfTxs"`
	Transactions []transaction `xml:"TxDtls"`
}

type transaction struct {
	BankRef    string     `xml:"Refs>AcctSvcrRef"`
	EndToEnd   string     `xml:"Refs>EndToEndId"`
	Amount     amount     `xml:"Amt"`               // from version 04 on
	TxAmount   amount     `xml:"AmtDtls>TxAmt>Amt"` // before
	Direction  string     `xml:"CdtDbtInd"`
	Debtor     string     `xml:"RltdPties>Dbtr>Nm"`
	DebtorNew  string     `xml:"RltdPties>Dbtr>Pty>Nm"` // from version 08 on
	Ultimate   string     `xml:"RltdPties>UltmtDbtr>Nm"`
	UltiNew    string     `xml:"RltdPties>UltmtDbtr>Pty>Nm"`
	DebtorIBAN string     `xml:"RltdPties>DbtrAcct>Id>IBAN"`
	Texts      []string   `xml:"RmtInf>Ustrd"`
	Returned   []struct{} `xml:"RtrInf"`
	Structured []struct {
		Reference string   `xml:"CdtrRefInf>Ref"`
		Texts     []string `xml:"AddtlRmtInf"`
	} `xml:"RmtInf>Strd"`
}
