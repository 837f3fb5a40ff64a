from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sequence', models.BigIntegerField(editable=False, null=True, verbose_name='number')),
                ('at', models.DateTimeField(editable=False, verbose_name='time')),
                ('action', models.CharField(editable=False, max_length=64, verbose_name='action')),
                ('actor_id', models.CharField(blank=True, editable=False, max_length=32, verbose_name="actor's key")),
                ('actor_name', models.CharField(editable=False, max_length=150, verbose_name='actor')),
                ('target_type', models.CharField(blank=True, editable=False, max_length=64, verbose_name='kind of target')),
                ('target_id', models.CharField(blank=True, editable=False, max_length=64, verbose_name="target's key")),
                ('payload', models.TextField(editable=False, verbose_name='content')),
                ('previous_hash', models.CharField(editable=False, max_length=64, null=True, verbose_name='previous hash')),
                ('hash', models.CharField(editable=False, max_length=64, null=True, verbose_name='hash')),
            ],
            options={
                'verbose_name': 'audit event',
                'verbose_name_plural': 'audit log',
                'ordering': ('-id',),
                'permissions': (('export_auditevent', 'Can export the audit log'),),
                'indexes': [models.Index(fields=['action', 'at'], name='audit_event_action'), models.Index(fields=['target_type', 'target_id'], name='audit_event_target'), models.Index(fields=['at'], name='audit_event_at')],
                'constraints': [models.UniqueConstraint(fields=('sequence',), name='audit_event_sequence_unique')],
            },
        ),
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sequence', models.BigIntegerField(default=0)),
                ('hash', models.CharField(max_length=64)),
            ],
            options={
                'verbose_name': 'end of the audit chain',
                'constraints': [models.CheckConstraint(condition=models.Q(('pk', 1)), name='audit_head_single')],
            },
        ),
    ]
