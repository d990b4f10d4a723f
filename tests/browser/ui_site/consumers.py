from realtime import namespace
from realtime.admin.ui.consumer import AdminUIConsumer


@namespace("/admin")
class SteeringConsumer(AdminUIConsumer):
    read_only = False


namespace("/watch")(AdminUIConsumer)
