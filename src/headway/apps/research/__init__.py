"""Research of a company on the figures of its filings: data tools, analysts, report sections."""
