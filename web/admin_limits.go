package web

import (
	"context"
	"fmt"
	"time"
)

// limits are the seller's.
type deskLimits struct {
	FourEyesRappen int64 `db:"four_eyes_rappen"`
	FourEyesSMS    int64 `db:"four_eyes_sms"`
	MostRappen     int64 `db:"most_rappen"`
	MostSMS        int64 `db:"most_sms"`
}

func (s *Server) deskLimits(ctx context.Context) (l deskLimits, err error) {
	if err := s.Operator.GetContext(ctx, &l, `SELECT four_eyes_rappen, four_eyes_sms, most_rappen, most_sms FROM seller`); err != nil {
		return l, fmt.Errorf("read the limits: %w", err)
	}
	return l, nil
}

// fourEyes reports whether a second admin must confirm. What one admin gave the same
// clinic within a day counts together: a large gift isn't made small by cutting it up.
func (o *deskOrder) fourEyes(ctx context.Context) (bool, error) {
	if o.action.gives == nil {
		return false, nil
	}
	l, err := o.s.deskLimits(ctx)
	if err != nil {
		return false, err
	}
	var given struct {
		Rappen int64 `db:"rappen"`
		SMS    int64 `db:"sms"`
	}
	if err := o.s.Operator.GetContext(ctx, &given, `SELECT CAST(COALESCE(sum(rappen), 0) AS bigint) AS rappen, CAST(COALESCE(sum(sms), 0) AS bigint) AS sms FROM admin_actions
		WHERE for_account = $1 AND operator_id = $2 AND status <> 'refused' AND asked_at > $3 AND key <> $4`, o.Clinic.ID, o.by, o.s.Now().Add(-24*time.Hour), o.key); err != nil {
		return false, fmt.Errorf("sum up what was given: %w", err)
	}
	rappen, sms := o.action.gives(o)
	return rappen > 0 && given.Rappen+rappen > l.FourEyesRappen || sms > 0 && given.SMS+sms > l.FourEyesSMS, nil
}

// most refuses what is above the limit of one order.
func (o *deskOrder) most(input string, amount int64, limit func(deskLimits) int64) error {
	l, err := o.s.deskLimits(o.r.Context())
	if err != nil {
		return err
	}
	switch {
	case amount <= 0:
		return &wrongInput{input, "desk.wrong.nothing"}
	case amount > limit(l):
		return &wrongInput{input, "desk.wrong.most"}
	}
	return nil
}

func mostCHF(l deskLimits) int64 { return l.MostRappen }

func mostSMS(l deskLimits) int64 { return l.MostSMS }
