"""Words for the XBRL members that split a company's revenue."""

from __future__ import annotations

import re

AXES = {
    "ProductOrServiceAxis": "product",
    "StatementBusinessSegmentsAxis": "business unit",
    "StatementGeographicalAxis": "region",
    "ContractWithCustomerSalesChannelAxis": "sales channel",
}

# A sum that tells nothing about what is sold.
NOT_A_PART = {"ReportableSegmentAggregationBeforeOtherOperatingSegmentMember"}

COUNTRIES = {
    "US": "the United States", "SG": "Singapore", "TW": "Taiwan", "CN": "China", "DE": "Germany",
    "GB": "the United Kingdom", "JP": "Japan", "CA": "Canada", "FR": "France", "ES": "Spain",
    "IT": "Italy", "BR": "Brazil", "AU": "Australia", "MX": "Mexico",
}  # fmt: skip

WORDS = {
    "IPhone": "iPhone",
    "IPad": "iPad",
    "Mac": "Mac",
    "WearablesHomeandAccessories": "wearables, home and accessories",
    "Service": "services",
    "Product": "products",
    "Americas": "the Americas",
    "AmericasExcludingUnitedStates": "the Americas without the United States",
    "OtherAmericas": "the other Americas",
    "GreaterChina": "Greater China",
    "ChinaIncludingHongKong": "China with Hong Kong",
    "Europe": "Europe",
    "Japan": "Japan",
    "AsiaPacific": "Asia-Pacific",
    "RestOfAsiaPacific": "the rest of Asia-Pacific",
    "RestOfWorld": "the rest of the world",
    "EMEA": "Europe, the Middle East and Africa",
    "USCanada": "the United States and Canada",
    "NorthAmerica": "North America",
    "OtherCountries": "other countries",
    "NonUs": "countries outside the United States",
    "International": "countries outside the United States",
    "InternationalMarkets": "markets outside the Americas",
    "DataCenter": "data centre",
    "Compute": "data-centre computing",
    "Networking": "data-centre networking",
    "OEMAndOther": "OEM and other",
    "AmazonWebServices": "Amazon Web Services",
    "GoogleServices": "Google Services",
    "GoogleCloud": "Google Cloud",
    "AllOtherSegments": "all other units",
    "Asia": "Asia",
    "MiddleEast": "the Middle East",
    "Oceania": "Oceania",
    "Africa": "Africa",
    "LatinAmerica": "Latin America",
    "ThirdPartySellerServices": "services to third-party sellers",
    "SalesforcePlatformandOther": "platform and other",
    "MarketingandCommerceCloud": "Marketing and Commerce Cloud",
    "ProfessionalServicesandOther": "professional services",
    "ServiceOther": "other services",
    "ProfessionalVisualization": "professional visualisation",
    "ValueAddedServicesAndSolutions": "value-added services",
    "InnovativeMedicine": "medicines",
    "MedTech": "medical technology",
    "FamilyOfApps": "Family of Apps",
    "RealityLabs": "Reality Labs",
    "WalmartUS": "Walmart US",
    "WalmartInternational": "Walmart International",
    "SamsClubUS": "Sam's Club US",
    "SalesCloud": "Sales Cloud",
    "ServiceCloud": "Service Cloud",
    "SubscriptionRevenue": "subscriptions",
    "DigitalMedia": "Digital Media",
    "DigitalExperience": "Digital Experience",
    "CargoAndFreight": "freight",
    "ProductAndServiceOther": "other revenue",
    "ConcentrateOperations": "concentrate operations",
    "FinishedProductOperations": "finished-product operations",
    "SalesChannelWholesale": "wholesale",
    "SalesChannelDirectlyToConsumer": "direct sales to consumers",
    "SalesChannelOther": "other channels",
    "PaymentNetwork": "the payment network",
}


def segment_label(member: str) -> str:
    """Readable words for a member: the list above, else the name split at its capitals."""
    if member in COUNTRIES:
        return COUNTRIES[member]
    if member == "InternationalSegmentMember":
        return "the international unit"
    name = re.sub(r"(Segment)?Member$", "", member)
    if name in WORDS:
        return WORDS[name]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
