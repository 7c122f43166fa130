package smpp

import (
	"errors"
	"fmt"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify"
)

// Causes inside a *notify.SendError.
var (
	errNotBound   = errors.New("smpp: not bound")
	errNoAnswer   = errors.New("smpp: no answer in time")
	errCut        = errors.New("smpp: connection lost")
	errUnreadable = errors.New("smpp: answer can't be read")
	errDeaf       = errors.New("smpp: enquire_link not answered")
	errUnbound    = errors.New("smpp: unbound")
	errPaused     = errors.New("smpp: gateway is throttling, not submitted")
)

// bindError is a refused bind.
type bindError struct{ status uint32 }

func (e *bindError) Error() string {
	s := "smpp: bind refused with " + code(e.status)
	if why := bindStatuses[data.CommandStatusType(e.status)]; why != "" {
		s += ", " + why
	}
	return s
}

// bindStatuses words what operators meet while they configure.
//
// Source: SMPP 3.4 §5.1.3.
var bindStatuses = map[data.CommandStatusType]string{
	data.ESME_RALYBND: "already bound", data.ESME_RSYSERR: "system error", data.ESME_RBINDFAIL: "bind failed",
	data.ESME_RINVPASWD: "invalid password", data.ESME_RINVSYSID: "invalid user (system id)", data.ESME_RINVSYSTYP: "invalid system type",
	data.ESME_RTHROTTLED: "throttled",
}

// Is makes a refusal that lasts an ErrMisconfigured, and any other an ErrTemporary.
func (e *bindError) Is(target error) bool {
	if e.lasting() {
		return target == notify.ErrMisconfigured
	}
	return target == notify.ErrTemporary
}

// lasting reports whether only a person can change it. Others pass: too many
// binds, a session of ours the gateway still believes alive, or a gateway that is being
// started, which many tell by "bind failed".
func (e *bindError) lasting() bool {
	switch data.CommandStatusType(e.status) {
	case data.ESME_RALYBND, data.ESME_RBINDFAIL, data.ESME_RSYSERR, data.ESME_RMSGQFUL, data.ESME_RTHROTTLED, data.ESME_RX_T_APPN, data.ESME_RUNKNOWNERR:
		return false
	}
	return true
}

// noRoute reports whether a message that never got past it had no way: not so where the
// gateway was just out of order or busy.
func (e *bindError) noRoute() bool {
	switch data.CommandStatusType(e.status) {
	case data.ESME_RALYBND, data.ESME_RBINDFAIL:
		return true
	}
	return e.lasting()
}

// code writes a command_status the way operators' tables do.
func code(status uint32) string { return fmt.Sprintf("0x%02X", status) }

// kind tells which failure an answer means; nil means accepted. Every status
// but 0 says that the gateway has not taken the part. None is ErrMisconfigured: it comes
// over a bind that was accepted, so it is about this message, or about a session that the
// next bind mends.
//
// Source: SMPP 3.4 §5.1.3. Statuses of an operator's own are from 0x400 on.
func kind(status uint32) error {
	switch data.CommandStatusType(status) {
	case data.ESME_ROK:
		return nil
	case data.ESME_RTHROTTLED, data.ESME_RMSGQFUL:
		return notify.ErrThrottled
	case data.ESME_RSYSERR, data.ESME_RX_T_APPN, data.ESME_RDELIVERYFAILURE, data.ESME_RUNKNOWNERR, data.ESME_RINVBNDSTS, data.ESME_RALYBND,
		data.ESME_RBINDFAIL, data.ESME_RINVPASWD, data.ESME_RINVSYSID:
		return notify.ErrTemporary
	case data.ESME_RINVDSTADR, data.ESME_RINVDSTTON, data.ESME_RINVDSTNPI:
		return notify.ErrInvalidDestination
	case data.ESME_RINVSRCADR, data.ESME_RINVSRCTON, data.ESME_RINVSRCNPI:
		return notify.ErrInvalidSender
	case data.ESME_RSUBMITFAIL:
		return notify.ErrUndelivered
	case data.ESME_RPROVNOTALLWD:
		return notify.ErrNotAllowed
	}
	return notify.ErrRejected
}

// ours reports whether status says that we built the PDU wrongly: somebody who
// can change this program should hear of it.
func ours(status uint32) bool {
	switch data.CommandStatusType(status) {
	case data.ESME_RINVMSGLEN, data.ESME_RINVCMDLEN, data.ESME_RINVCMDID, data.ESME_RINVESMCLASS, data.ESME_RINVSCHED,
		data.ESME_RINVEXPIRY, data.ESME_RINVPRTFLG, data.ESME_RINVREGDLVFLG, data.ESME_RINVDSTTON, data.ESME_RINVDSTNPI,
		data.ESME_RINVSRCTON, data.ESME_RINVSRCNPI, data.ESME_RINVPARLEN, data.ESME_RINVOPTPARSTREAM,
		data.ESME_ROPTPARNOTALLWD, data.ESME_RMISSINGOPTPARAM, data.ESME_RINVOPTPARAMVAL, data.ESME_RINVSERTYP:
		return true
	}
	return false
}
