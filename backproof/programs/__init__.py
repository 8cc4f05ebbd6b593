"""Programs: certificates of what users wrote themselves, recorded as it ran."""
