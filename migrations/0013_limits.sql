-- +goose Up
-- The limit of one person stands once, in four_eyes_rappen, which the seller's form sets.
ALTER TABLE seller DROP COLUMN four_eyes;

-- +goose Down
ALTER TABLE seller ADD COLUMN four_eyes bigint NOT NULL DEFAULT 50000 CONSTRAINT seller_four_eyes CHECK (four_eyes >= 0);
