"""Floor 5: circuit builders, from adder trees and constant products to tables and sequencers."""
