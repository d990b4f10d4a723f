from realtime import namespace
from realtime.admin_live.ui import AdminUIConsumer


@namespace("/admin")
class SteeringConsumer(AdminUIConsumer):
    read_only = False


namespace("/watch")(AdminUIConsumer)
