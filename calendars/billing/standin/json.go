package standin

// Objects as Stripe tells them. The callers hold the lock.

type object map[string]any

func (w *World) customerJSON(c *customer) object {
	return object{"id": c.ID, "object": "customer", "name": c.Name, "metadata": c.Meta, "livemode": false}
}

func (w *World) sessionJSON(s *session) object {
	o := object{"id": s.ID, "object": "checkout.session", "mode": s.Mode, "status": s.Status, "customer": s.Customer, "client_reference_id": s.Reference,
		"metadata": s.Meta, "currency": "chf", "livemode": false, "payment_intent": nilIfEmpty(s.Intent), "setup_intent": nilIfEmpty(s.Setup), "url": nil, "payment_status": "unpaid"}
	switch {
	case s.Status == "open":
		o["url"] = w.o.Base + "/pay/" + s.ID
	case s.Mode == "setup":
		o["payment_status"] = "no_payment_required"
	case w.s.Intents[s.Intent] != nil && w.s.Intents[s.Intent].Status == "succeeded":
		o["payment_status"] = "paid"
	}
	if s.Mode == "payment" {
		o["amount_total"] = s.Amount
	}
	return o
}

func (w *World) intentJSON(i *intent) object {
	o := object{"id": i.ID, "object": "payment_intent", "status": i.Status, "amount": i.Amount, "amount_received": int64(0), "currency": "chf", "customer": i.Customer,
		"payment_method": nilIfEmpty(i.Method), "metadata": i.Meta, "created": i.Created, "livemode": false, "last_payment_error": nil,
		"cancellation_reason": nilIfEmpty(i.Reason)}
	if i.Status == "succeeded" {
		o["amount_received"] = i.Amount
	}
	if i.Code != "" {
		o["last_payment_error"] = declined(i)
	}
	return o
}

// declined is the error of an intent that didn't go through.
func declined(i *intent) object {
	if i.Code == "authentication_required" {
		return object{"type": "card_error", "code": i.Code, "decline_code": i.Code, "message": "Your card was declined. This transaction requires authentication."}
	}
	return object{"type": "card_error", "code": "card_declined", "decline_code": i.Code, "message": "Your card was declined."}
}

func (w *World) chargeJSON(i *intent) object {
	refunded := i.Amount - w.left(i)
	return object{"id": "ch_" + short(i.ID), "object": "charge", "amount": i.Amount, "amount_refunded": refunded, "refunded": refunded == i.Amount, "currency": "chf",
		"payment_intent": i.ID, "paid": i.Status == "succeeded", "metadata": i.Meta, "livemode": false}
}

func (w *World) setupJSON(t *setup) object {
	return object{"id": t.ID, "object": "setup_intent", "status": "succeeded", "customer": t.Customer, "payment_method": t.Method, "metadata": t.Meta, "livemode": false}
}

func (w *World) methodJSON(m *method) object {
	o := object{"id": m.ID, "object": "payment_method", "type": m.Kind, "customer": nilIfEmpty(m.Customer), "created": m.Created, "livemode": false, "metadata": object{}}
	if m.Kind == "card" {
		o["card"] = object{"brand": "visa", "last4": m.Last4, "exp_month": 8, "exp_year": 2031, "funding": "credit", "country": "CH"}
	} else {
		o[m.Kind] = object{}
	}
	return o
}

func (w *World) refundJSON(r *refund) object {
	o := object{"id": r.ID, "object": "refund", "amount": r.Amount, "currency": "chf", "payment_intent": r.Intent, "status": "succeeded", "metadata": r.Meta}
	if r.Failed {
		o["status"], o["failure_reason"] = "failed", "expired_or_canceled_card"
	}
	return o
}

func (w *World) disputeJSON(d *dispute) object {
	moves := []object{{"id": "txn_" + short(d.ID), "object": "balance_transaction", "amount": -d.Amount, "currency": "chf"}}
	status := "needs_response"
	if d.Won {
		status = "won"
		moves = append(moves, object{"id": "txn_won_" + short(d.ID), "object": "balance_transaction", "amount": d.Amount, "currency": "chf"})
	}
	return object{"id": d.ID, "object": "dispute", "amount": d.Amount, "currency": "chf", "payment_intent": d.Intent, "status": status, "balance_transactions": moves, "metadata": object{}}
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}
