"""What is studied: whether customers leave, from three tables of a shop."""

from __future__ import annotations

from repro_assets.declaration import Daily, Estimator, Experiment, RawTable

EXPERIMENT = Experiment(
    name="customers_who_leave",
    question="Do a customer's orders say whether they leave?",
    raw_tables=(
        RawTable(name="customers", keys=("customer_id",), feed="The shop's register", description="One customer"),
        RawTable(
            name="orders",
            keys=("customer_id", "number"),
            feed="The shop's till",
            description="One order of one customer",
            daily=Daily(day="day", total="orders_so_far", noun="order"),
        ),
        RawTable(name="regions", keys=("region_id",), feed="The shop's map", description="One region with its stores"),
    ),
    split_key="customer_id",
    target="churned",
    estimators=(Estimator("full"), Estimator("without_orders", blind_to=("orders", "cents"))),
    owner="team:shop",
    caveat="INVENTED tables.",
)
