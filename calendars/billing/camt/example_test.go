package camt_test

import (
	"fmt"

	"rappel/calendars/billing/camt"
)

func ExampleParse() {
	f, err := camt.Parse([]byte(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn><Ntfctn>
		<Acct><Id><IBAN>CH9300762011623852957</IBAN></Id></Acct>
		<Ntry><Amt Ccy="CHF">32.43</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2027-04-01</Dt></BookgDt><AcctSvcrRef>A1</AcctSvcrRef>
		<NtryDtls><TxDtls><RmtInf><Strd><CdtrRefInf><Ref>RF18 5390 0754 7034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls></Ntry>
		</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>`))
	if err != nil {
		panic(err)
	}
	b := f.Bookings[0]
	fmt.Println(f.Kind, f.Version, b.Rappen, b.Details[0].Reference)
	_, err = camt.Parse([]byte("PK\x03\x04…"))
	fmt.Println(err)
	// Output:
	// 054 8 3243 RF18539007547034
	// camt: not a camt.053 or camt.054 file: it is packed; unpack it first and take the .xml files inside
}
