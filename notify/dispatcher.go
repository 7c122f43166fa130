package notify

import "context"

type Dispatcher struct{ cfg Config }

func NewDispatcher(cfg Config) (*Dispatcher, error) {
	cfg, err := cfg.withDefaults()
	return &Dispatcher{cfg: cfg}, err
}
func (d *Dispatcher) Tick(ctx context.Context) (worked int, err error) { panic("coming") }
func (d *Dispatcher) Run(ctx context.Context) error                    { panic("coming") }
func (d *Dispatcher) Wake()                                            { panic("coming") }
